"""`python -m tests.fuzz`: every target a million times, led by coverage where atheris is installed.

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
    run = _run_with_atheris if importlib.util.find_spec("atheris") else _run
    if run is _run:
        print("atheris is not installed: inputs are changed at random, not led by coverage")
    failed = [name for name in arguments.targets or TARGETS if not run(name, arguments)]
    for name in failed:
        print(f"FAILED: {name}, see tests/fuzz/corpus/{name}")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="all unless named")
    parser.add_argument("--executions", type=int, default=1_000_000, help="per target")
    parser.add_argument("--seconds", type=int, default=0, help="per target; 0: no limit")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the changes")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"), help="run one input")
    return parser.parse_args()


def _run_with_atheris(name: str, arguments: argparse.Namespace) -> bool:
    """Run one target led by coverage, in a process of its own; whether it kept its promises."""
    command = [sys.executable, "-m", "tests.fuzz.coverage", name]
    command += ["--executions", str(arguments.executions), "--seed", str(arguments.seed)]
    command += ["--seconds", str(arguments.seconds)]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:])
    figures = dict(re.findall(r"stat::(\w+): +(\d+)", done.stderr))
    _report(name, int(figures.get("number_of_executed_units", 0)), time.monotonic() - began)
    return not done.returncode


def _run(name: str, arguments: argparse.Namespace) -> bool:
    outcome = runner.run(name, arguments.executions, arguments.seed, arguments.seconds)
    _report(name, outcome.executions, outcome.cpu_s)
    if outcome.failure is None:
        return True
    stored = corpus.keep(name, outcome.failure.data)
    print(f"{stored}: {outcome.failure.error!r}")
    return False


def _report(name: str, executions: int, took_s: float) -> None:
    print(f"{name:18} {executions:10,} executions {took_s:8.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
