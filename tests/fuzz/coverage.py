"""`python -m tests.fuzz.coverage TARGET ...`: a target led by coverage, with atheris (libFuzzer).

Inputs that reach new code are kept and changed further. The process ends with the run; an input
that fails is stored in the target's corpus.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris  # pyright: ignore[reportMissingImports]

TIMEOUT_S = 10
_NOT_OURS = ("minikafka.protocol.compiler", "minikafka.protocol.schema")


def run(name: str, executions: int, seconds: int, seed: int) -> None:
    """Run one target; this does not return."""
    # What is imported in here counts its branches, so nothing of ours may be imported before.
    with atheris.instrument_imports(include=["minikafka"], exclude=list(_NOT_OURS)):
        from . import corpus, mutation
        from .runner import silenced
        from .seeds import seeds
        from .targets import TARGETS

        made = seeds(name)
    _instrument_decoders()
    with tempfile.TemporaryDirectory(prefix="minikafka-fuzz-") as folder:
        for number, data in enumerate(made):
            Path(folder, str(number)).write_bytes(data)
        words = Path(folder).with_suffix(".words")
        words.write_text("".join(f'"{_escaped(number)}"\n' for number in mutation.INTERESTING))
        (corpus.FOLDER / name).mkdir(parents=True, exist_ok=True)
        options = [
            f"-runs={executions}",
            f"-max_total_time={seconds}",
            f"-seed={seed % (1 << 31) or 1}",
            f"-max_len={mutation.MAX_INPUT_BYTES}",
            f"-timeout={TIMEOUT_S}",
            f"-dict={words}",
            f"-artifact_prefix={corpus.FOLDER / name}/",
            "-print_final_stats=1",
            "-verbosity=0",
        ]
        with silenced():
            atheris.Setup([sys.argv[0], *options, folder], TARGETS[name])
            atheris.Fuzz()


def _instrument_decoders() -> None:
    """The generated code is made by exec, which atheris does not see: hand it over."""
    from minikafka.protocol.codec import decoder_of
    from minikafka.protocol.schema import schema_of

    from .messages import cases

    for is_request in (True, False):
        for cls, version in cases(is_request).values():
            decoder = atheris.instrument_func(decoder_of(cls, version))
            schema_of(cls).decoders[version] = decoder


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    for option in ("--executions", "--seconds", "--seed"):
        parser.add_argument(option, type=int, default=0)
    said = parser.parse_args()
    run(said.target, said.executions, said.seconds, said.seed)
