"""A record's work, whole or cut into parts, is all done and written down once."""

import threading
from pathlib import Path

import pytest

from minikafka.client.concurrency import Inline, Pool, Processes
from minikafka.client.record import ConsumerRecord
from minikafka.tutorials.labs.journal import ENTRY_BYTES, entries, pack
from minikafka.tutorials.labs.work import COUNTS, PARTS, Handler, Kind, concurrency_of, share
from minikafka.tutorials.labs.workers import KINDS


def record(id: int) -> ConsumerRecord:
    return ConsumerRecord("work", 0, id, 0, 0, None, str(id).encode(), (), 0)


@pytest.mark.parametrize("parts", [1, PARTS])
@pytest.mark.parametrize("kind", KINDS)
def test_each_record_is_written_down_when_its_work_is_done(kind: Kind, parts: int, tmp_path: Path):
    journal = tmp_path / "journal"
    threads_before = threading.active_count()
    handler = Handler(kind, parts, str(journal))
    for id in (3, 1, 2):
        handler(record(id))
    handler.close()
    written = entries(journal.read_bytes())
    assert [entry.id for entry in written] == [3, 1, 2]
    assert all(entry.began <= entry.ended for entry in written)
    assert threading.active_count() == threads_before


def test_the_parts_make_the_whole():
    parts = [share(COUNTS, part, PARTS) for part in range(PARTS)]
    assert [count for part in parts for count in part] == list(range(COUNTS))


def test_an_entry_that_was_cut_off_is_none():
    whole = pack(1, 2.0, 3.0) + pack(4, 5.0, 6.0)
    assert len(entries(whole)) == 2
    assert len(entries(whole[:-1])) == 1
    assert entries(whole[: ENTRY_BYTES - 1]) == []


def test_a_way_is_a_choice_of_the_workers():
    assert concurrency_of("single thread", 0) == Inline()
    assert concurrency_of("pool", 0) == Pool(5, 10)
    assert concurrency_of("pool", 3) == Pool(3, 3)
    assert concurrency_of("processes", 2) == Processes(2)
