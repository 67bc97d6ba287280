"""Every call to the disk fails once: nothing that was acknowledged is lost, nothing follows half a
batch, and the next start is sound.

The N-th call of a kind fails, for N = 1, 2, ... until a run ends untouched (SQLite's method). A
shortage (ENOSPC) fails the batches at hand with KAFKA_STORAGE_ERROR and the run goes on; a failure
(EIO) ends it. Either way what the disk then holds, after a kill and after some power cuts, must be
what was promised.
"""

import errno
from collections.abc import Iterator
from random import Random

import pytest

from minikafka.broker.log.files import StorageFailed
from minikafka.protocol.errors import ErrorCode

from .crash import Way, crash
from .faults import ANY, EIO, ENOSPC, Fault
from .log_check import check
from .log_run import Features, LogRun
from .node_check import check_node
from .node_run import NodeRun

KINDS = ("write", "fsync", "rename", "open", "truncate", "unlink", "mkdir", "list", "read")
SEEDS = {"fsync": 3, "os": 8}
WAYS = (Way.KILLED, Way.NOTHING, Way.SUBSET)
MAX_CALLS = 3000
STRIDE_OF_ANY = 7
"""Where the whole disk dies, every seventh call is enough: each kind has its turn elsewhere."""

AFTER_A_REFUSAL = (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,)
"""What the batches get that were on their way behind a refused one."""

FAULTS = [
    *[(kind, EIO, 0, False) for kind in KINDS],
    *[(kind, ENOSPC, 0, False) for kind in ("write", "fsync", "rename", "open", "truncate")],
    ("open", errno.EMFILE, 0, False),
    ("list", errno.EMFILE, 0, False),
    ("write", ENOSPC, 40, False),
    ("write", EIO, 40, False),
    (ANY, EIO, 0, True),
    (ANY, EIO, 40, True),
]
"""Kind, error, bytes that a write takes before it fails, whether all calls behind fail as well."""


def name_of(fault: tuple[str, int, int, bool]) -> str:
    kind, error, room_bytes, stays = fault
    words = [kind, errno.errorcode[error], f"after {room_bytes} bytes" * bool(room_bytes)]
    return "-".join([word for word in words if word] + ["for good"] * stays)


def faults(fault: tuple[str, int, int, bool]) -> Iterator[Fault]:
    """The first call of its kind, the second, and so on, until one does not come."""
    kind, error, room_bytes, stays = fault
    for nth in range(1, MAX_CALLS, STRIDE_OF_ANY if kind == ANY else 1):
        each = Fault(kind, nth, error, stays, room_bytes)
        yield each
        if not each.struck:
            return
    raise AssertionError("a run has no end")


@pytest.mark.parametrize("flush", ["fsync", "os"])
@pytest.mark.parametrize("fault", FAULTS, ids=name_of)
def test_a_log_survives_the_failure_of_every_call(
    fault: tuple[str, int, int, bool], flush: str
) -> None:
    for each in faults(fault):
        run = LogRun(SEEDS[flush], Features(flush))
        run.disk.fault = each
        run.run()
        if run.failure is not None:
            assert each.struck, run.failure
            run.try_on()
        assert set(run.refused) <= {ErrorCode.KAFKA_STORAGE_ERROR}
        for way in WAYS:
            image, random = crash(run.disk, way, Random(each.nth)), Random(each.nth)
            try:
                check(image, run.history.promise(), way, run.features, random, had_fault=True)
            except Exception as error:
                raise AssertionError(f"{each} seed {run.seed} {way}: {error!r}") from error


def test_a_shortage_is_answered_and_service_goes_on() -> None:
    """The positive control of the above: some batches are refused, most runs end by themselves."""
    ended, refused = 0, 0
    for nth in range(1, 40):
        run = LogRun(SEEDS["fsync"], Features())
        run.disk.fault = Fault("write", nth, ENOSPC)
        run.run()
        ended += run.failure is None
        refused += len(run.refused)
    assert ended > 20
    assert refused > 3


def test_a_failure_ends_the_run() -> None:
    for nth in range(1, 20):
        run = LogRun(SEEDS["fsync"], Features())
        run.disk.fault = Fault("fsync", nth, EIO)
        run.run()
        assert isinstance(run.failure, StorageFailed)


@pytest.mark.parametrize(
    "fault", [each for each in FAULTS if each[0] not in ("list", "read")], ids=name_of
)
def test_a_node_survives_the_failure_of_every_call(fault: tuple[str, int, int, bool]) -> None:
    for each in faults(fault):
        run = NodeRun(5, steps=7)
        run.disk.fault = each
        run.run()
        if run.failure is not None:
            assert each.struck, run.failure
        assert set(run.errors) <= {ErrorCode.KAFKA_STORAGE_ERROR, *AFTER_A_REFUSAL}
        for way in (Way.KILLED, Way.NOTHING):
            image = crash(run.disk, way, Random(each.nth))
            try:
                check_node(image, run.promise, "fsync", Random(each.nth), is_last=each.stays)
            except Exception as error:
                raise AssertionError(f"{each} {way}: {error!r}") from error
