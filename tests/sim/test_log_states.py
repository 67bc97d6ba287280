"""Crash states of the log: whatever the power leaves, a start finds what was promised.

MINIKAFKA_CRASH_STATES sets how many (`make crash`: a million, on all cores), MINIKAFKA_SEED the
first seed; seeds that have found something once are run each time. Each test says one line of
figures. What is found is named by seed, operation and choice, and comes again with `replay`.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from itertools import chain, count, islice
from random import Random

import pytest

from minikafka.broker.log.scan import CorruptLog
from minikafka.protocol.records import iterate_batches

from .crash import Way, crash
from .files import SimulatedFiles
from .log_run import Features, LogRun, start
from .log_states import Sample, replay

STATES = int(os.environ.get("MINIKAFKA_CRASH_STATES", "20000"))
FIRST_SEED = int(os.environ.get("MINIKAFKA_SEED", "1000"))
OS_SHARE = 0.15
"""The share of states in which the log is not flushed before it is acknowledged."""
STATES_ON_ALL_CORES = 100_000
SEEDS_AT_ONCE = 16
TOLD_EVERY = 50_000
MAX_SHOWN = 10

REGRESSIONS = (1, 4, 9, 21)
"""Seeds by which mistakes were found; each mistake has a named test of its own as well."""


def sample(seed: int, flush: str) -> Sample:
    """All states of one seed; for a process of its own as well."""
    return Sample(seed, flush).run()


def samples(flush: str, wanted: int) -> Iterator[Sample]:
    """Seed after seed, until there are so many states."""
    seeds, states = chain(REGRESSIONS, count(FIRST_SEED)), 0
    if wanted < STATES_ON_ALL_CORES:
        while states < wanted:
            yield (done := sample(next(seeds), flush))
            states += done.states
        return
    with ProcessPoolExecutor() as pool:
        while states < wanted:
            some = list(islice(seeds, SEEDS_AT_ONCE))
            for done in pool.map(sample, some, [flush] * len(some)):
                yield done
                states += done.states


def look(flush: str, wanted: int) -> None:
    """Look at so many states; fail with what was found, to be replayed."""
    started, states, seeds, operations = time.perf_counter(), 0, 0, 0
    found: list[str] = []
    for each in samples(flush, wanted):
        if states // TOLD_EVERY != (states + each.states) // TOLD_EVERY:
            print(f"\n{states + each.states:,} states ", end="", flush=True)
        states += each.states
        seeds += 1
        operations += each.operations
        found += map(str, each.failures)
        if len(found) > MAX_SHOWN:
            break
    seconds = time.perf_counter() - started
    print(
        f"\nlog, flush {flush}: {states:,} crash states at {operations:,} operations, "
        f"{seeds} seeds from {FIRST_SEED} on, {len(found)} bad, {seconds:.1f} s"
    )
    if found:
        pytest.fail("\n".join(found[:MAX_SHOWN]), pytrace=False)


def test_no_crash_takes_what_was_acknowledged_after_a_flush() -> None:
    look("fsync", round(STATES * (1 - OS_SHARE)))


def test_without_flushes_no_crash_takes_what_the_recovery_point_confirms() -> None:
    look("os", round(STATES * OS_SHARE))


def test_without_flushes_a_power_cut_takes_what_was_acknowledged() -> None:
    """The positive control: the disk does lose, and the check does see it."""
    found = Sample(0, "os", is_strict=True).run().failures
    assert len(found) > 20
    assert any("was promised" in str(each) for each in found)


def test_the_same_seed_sees_the_same() -> None:
    def trace() -> list[object]:
        seen: list[object] = []
        each = Sample(7, is_strict=True)
        each.on_state = lambda operation, choice, image: seen.append((operation, choice, image))
        each.run()
        return seen

    first = trace()
    assert len(first) > 100
    assert trace() == first


def test_a_state_is_had_again_by_its_name() -> None:
    strict = Sample(0, "os", is_strict=True).run()
    failure = strict.failures[0]
    again = Sample(0, "os", only=(failure.operation, failure.choice), is_strict=True).run()
    assert [str(each) for each in again.failures] == [str(failure)]
    replay(0, failure.operation, failure.choice, "os")


@pytest.mark.parametrize("seed", range(60))
def test_a_bit_that_flips_at_rest_makes_no_start_delete_another_batch(seed: int) -> None:
    """The log is refused unchanged, or cut, and what lay behind the damage is kept beside it."""
    random = Random(seed)
    run = LogRun(seed, Features.drawn(random, "fsync")).run()
    image = crash(run.disk, Way.EVERYTHING, random)
    logs = {path: data for path, data in image.tree().items() if path.endswith(".log") and data}
    if not logs:
        return  # Everything was deleted or cut: there is nothing that could flip.
    path, content = random.choice(sorted(logs.items()))
    bit = random.randrange(8 * len(content))
    image.flip_bit(path, bit)
    with suppress(CorruptLog):
        start(SimulatedFiles(image, is_instant=True), run.features)
    kept = [data for name, data in image.tree().items() if name.endswith((".log", ".cut")) and data]
    for data in logs.values():
        for batch in map(bytes, iterate_batches(data)):
            is_hit = data is content and 0 <= bit // 8 - data.index(batch) < len(batch)
            assert is_hit or any(batch in each for each in kept)
