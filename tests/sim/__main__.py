"""Search seeds, or look at one: `python -m tests.sim --seeds 400`, `python -m tests.sim 17`.

A seed that finds something is named with the last events before it; the exit status is 1 then.
Strings hash alike in every process that this starts, so that a seed does the same everywhere.
"""

import argparse
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from .setup import draw_setup
from .world import Result, run_seed

MIN_SHARE = 0.8
"""Of the seeds of a search so many must count, or it shows little."""
SEEDS_FILE = Path(__file__).parent / "seeds.txt"


def look_at(seed: int, nodes: int | None) -> tuple[Result, float]:
    """Run one seed; what it found, and its seconds of CPU."""
    logging.disable(logging.CRITICAL)
    started = time.process_time()
    result = run_seed(draw_setup(seed, nodes))
    return result, time.process_time() - started


def report(result: Result, seconds: float, *, is_long: bool) -> None:
    """Say what one seed did; all of it if it found something."""
    setup = result.setup
    print(
        f"seed {setup.seed}: {len(result.violations)} violations, {result.operations} operations "
        f"({result.acknowledged} sends acknowledged), {result.faults.total()} faults, "
        f"{result.leader_changes} leaders, {result.turns} turns, {result.virtual_s:.0f} s in "
        f"{seconds:.1f} s of CPU, trace {result.trace_hash}",
        flush=True,
    )
    for doubt in result.doubts:
        print(f"  does not count: {doubt}")
    if result.violations or is_long:
        print(f"  {setup}")
        for line in result.recent:
            print(f"    {line}")
        for violation in result.violations[:20]:
            print(f"  VIOLATION {violation}")
        if result.violations:
            print(f"  commit {commit()}; again: make sim SEED={setup.seed}", flush=True)


def commit() -> str:
    """The commit that was run."""
    asked = ["git", "-C", str(SEEDS_FILE.parent), "describe", "--always", "--dirty"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def stored_seeds() -> list[int]:
    """The seeds that have found something once."""
    lines = [line.partition("#")[0].strip() for line in SEEDS_FILE.read_text().splitlines()]
    return [int(line) for line in lines if line]


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("seed", type=int, nargs="*", help="seeds to run, with their last events")
    parser.add_argument("--seeds", type=int, default=0, help="how many seeds to search")
    parser.add_argument("--first", type=int, default=1000, help="the first of these")
    parser.add_argument("--seconds", type=float, default=0, help="search no longer than this")
    parser.add_argument("--nodes", type=int, help="nodes of the cluster, whatever the seed says")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--stored", action="store_true", help="run the seeds of seeds.txt first")
    options = parser.parse_args()
    seeds = list(options.seed) + (stored_seeds() if options.stored else [])
    seeds += range(options.first, options.first + options.seeds)
    started = time.perf_counter()
    results: list[Result] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        waiting = [pool.submit(look_at, seed, options.nodes) for seed in seeds]
        for each in waiting:
            if options.seconds and time.perf_counter() - started > options.seconds:
                each.cancel()
                continue
            result, seconds = each.result()
            report(result, seconds, is_long=bool(options.seed))
            results.append(result)
    sum_up(results, time.perf_counter() - started)
    counted = [result for result in results if not result.doubts]
    if len(counted) < MIN_SHARE * len(results):
        print(f"only {len(counted)} of {len(results)} seeds count")
        return 1
    return 1 if any(result.violations for result in results) else 0


def sum_up(results: list[Result], seconds: float) -> None:
    """What all seeds together did."""
    faults = sum((result.faults for result in results), Counter[str]())
    operated = sum((result.operated for result in results), Counter[str]())
    found = [result.setup.seed for result in results if result.violations]
    doubtful = [result.setup.seed for result in results if result.doubts]
    operations = sum(result.operations for result in results)
    leaders = sum(result.leader_changes for result in results)
    for what, counts in (("faults", faults), ("operator", operated)):
        print(f"{what}: {', '.join(f'{name} {count}' for name, count in sorted(counts.items()))}")
    print(
        f"{len(results)} seeds, {operations} operations, {leaders} leaders, {seconds:.0f} s; "
        f"do not count: {doubtful or 'none'}; found something: {found or 'none'}"
    )


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        os.execve(sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]], environment)
    sys.exit(main())
