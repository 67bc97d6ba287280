"""The ways of running, as values."""

import pytest

from minikafka import Inline, Pool, Processes, Tasks, ThreadPerRecord, Threads
from minikafka.client.concurrency import Concurrency, slots_of


@pytest.mark.parametrize(
    ("concurrency", "slots"),
    [
        (Inline(), 1),
        (Threads(3), 3),
        (Pool(), 10),
        (Pool(min=0, max=1), 1),
        (ThreadPerRecord(), 100),
        (Processes(2), 2),
        (Tasks(500), 500),
    ],
)
def test_how_many_records_are_worked_on_at_once(concurrency: Concurrency, slots: int):
    assert slots_of(concurrency) == slots


@pytest.mark.parametrize(
    "concurrency",
    [Threads(0), Pool(6, 5), Pool(-1, 5), Pool(0, 0), ThreadPerRecord(0), Processes(-1), Tasks(0)],
)
def test_what_has_no_room_is_refused(concurrency: Concurrency):
    with pytest.raises(ValueError, match="no room for a record"):
        slots_of(concurrency)
