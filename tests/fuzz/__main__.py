"""`python -m tests.fuzz`: every target a million times, at first led by coverage (atheris).

What is watched for its coverage is slow, a whole node ten times slower than else. So coverage leads
for a minute, or as long as --lead says; what is left of the million is changed at random from the
seeds. Without atheris all of it is.

    python -m tests.fuzz --executions 100000 requests responses
    python -m tests.fuzz --seconds 30
    python -m tests.fuzz --replay requests FILE

A failing input is stored in the target's corpus, so that the tests replay it from then on. With
atheris each target has a process of its own.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path

from . import corpus, runner
from .targets import TARGETS


def main() -> int:
    """Run what the command line says; the exit status is 1 when some promise broke."""
    arguments = _arguments()
    if arguments.replay:
        name, path = arguments.replay
        TARGETS[name](Path(path).read_bytes())
        return 0
    if not importlib.util.find_spec("atheris"):
        print("atheris is not installed: inputs are changed at random, not led by coverage")
        arguments.lead = 0
    failed = [name for name in arguments.targets or TARGETS if not _run(name, arguments)]
    for name in failed:
        print(f"FAILED: {name}, see tests/fuzz/corpus/{name}")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="all unless named")
    parser.add_argument("--executions", type=int, default=1_000_000, help="per target")
    parser.add_argument(
        "--seconds", type=int, default=0, help="per target, all of them led; 0: --executions"
    )
    parser.add_argument("--lead", type=int, default=60, help="seconds led by coverage; 0: none")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the changes")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"), help="run one input")
    return parser.parse_args()


def _run(name: str, arguments: argparse.Namespace) -> bool:
    """Run one target, led and then not; whether it kept its promises."""
    began = time.monotonic()
    led, is_well = 0, True
    if arguments.lead:
        led, is_well = _run_led(name, arguments)
    rest = arguments.executions - led
    if is_well and rest > 0 and not (arguments.lead and arguments.seconds):
        outcome = runner.run(name, rest, arguments.seed, arguments.seconds)
        led += outcome.executions
        if outcome.failure is not None:
            stored = corpus.keep(name, outcome.failure.data)
            print(f"{stored}: {outcome.failure.error!r}")
            is_well = False
    print(f"{name:18} {led:10,} executions {time.monotonic() - began:8.1f} s", flush=True)
    return is_well


def _run_led(name: str, arguments: argparse.Namespace) -> tuple[int, bool]:
    """Run one target led by coverage, in a process of its own: how often, and did it go well?"""
    command = [sys.executable, "-m", "tests.fuzz.coverage", name]
    command += ["--executions", str(arguments.executions), "--seed", str(arguments.seed)]
    command += ["--seconds", str(arguments.seconds or arguments.lead)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:])
    figures = dict(re.findall(r"stat::(\w+): +(\d+)", done.stderr))
    return int(figures.get("number_of_executed_units", 0)), not done.returncode


if __name__ == "__main__":
    sys.exit(main())
