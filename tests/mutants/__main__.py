"""Run every mutation and print which were found; exit status 1 if one survived.

The control is the code as it is: the same tests must pass there, or what they find is not the
mistake.

    python -m tests.mutants [words of the names of those wanted]
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from .mutations import CONTROL, MUTATIONS, STATES, Mutation

ROOT = Path(__file__).parent.parent.parent
COPIED = ("__init__.py", "pyproject.toml", "protocol", "transport", "broker", "client", "cli")
PACKAGE = "minikafka"
DEADLINE_S = 600
PASSED, FAILED = 0, 1
"""Exit statuses of pytest; with any other it could not run the tests."""
VERDICTS = {PASSED: "SURVIVED", FAILED: "found"}


class Outcome(NamedTuple):
    """What became of one mutation."""

    mutation: Mutation
    verdict: str
    seconds: float
    said: str


def run(mutation: Mutation) -> Outcome:
    """Make the mistake in a copy of the code, and run the tests that should find it."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mutant-") as parent:
        copy = Path(parent) / PACKAGE
        copy.mkdir()
        for name in (*COPIED, "tests"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(
                    source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "compat")
                )
            else:
                shutil.copy(source, copy / name)
        path = copy / mutation.path
        path.write_text(mutation.apply(path.read_text()))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *mutation.tests],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": parent, "MINIKAFKA_CRASH_STATES": str(STATES)},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    verdict = VERDICTS.get(done.returncode, "BROKEN")
    return Outcome(mutation, verdict, time.perf_counter() - started, done.stdout + done.stderr)


def main(words: list[str]) -> int:
    """Run those whose names have all the words."""
    wanted = [one for one in MUTATIONS if all(word in one.name for word in words)]
    started, found, is_control_sound = time.perf_counter(), 0, False
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for outcome in pool.map(run, [CONTROL, *wanted]):
            print(f"{outcome.verdict:8}  {outcome.seconds:5.0f} s  {outcome.mutation.name}")
            if outcome.mutation is CONTROL:
                is_good = is_control_sound = outcome.verdict == VERDICTS[PASSED]
            else:
                is_good = outcome.verdict == VERDICTS[FAILED]
                found += is_good
            if not is_good:
                print(outcome.said)
            sys.stdout.flush()
    seconds = time.perf_counter() - started
    print(f"{found} of {len(wanted)} mutations found, {seconds:.0f} s")
    return 0 if is_control_sound and found == len(wanted) > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
