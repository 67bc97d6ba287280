"""The sink counts each id once, whoever brings it and how often."""

import asyncio
from pathlib import Path

from minikafka.tutorials.labs.sink import Sink


async def test_an_id_that_comes_twice_counts_once_and_is_seen_to_have_come_twice(tmp_path: Path):
    sink, other = Sink(tmp_path / "sink.db"), Sink(tmp_path / "sink.db")
    await asyncio.gather(*(sink.add(id) for id in "abc"))
    await asyncio.gather(*(other.add(id) for id in "cd"))
    assert sink.count() == 4
    assert {id: times for id, (_, times) in sink.finished().items()} == {
        "a": 1,
        "b": 1,
        "c": 2,
        "d": 1,
    }
    sink.close()
    other.close()


async def test_what_is_confirmed_is_there_for_others(tmp_path: Path):
    sink = Sink(tmp_path / "sink.db")
    await sink.add("a")
    assert Sink(tmp_path / "sink.db").count() == 1
    sink.close()


async def test_closing_writes_what_nobody_waited_for(tmp_path: Path):
    sink = Sink(tmp_path / "sink.db")
    waiting = asyncio.create_task(sink.add("a"))
    await asyncio.sleep(0)
    sink.close()
    await waiting
    assert Sink(tmp_path / "sink.db").count() == 1
