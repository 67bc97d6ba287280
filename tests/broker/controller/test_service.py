"""The controller of a lone node: commands in order, committed before applied, replayed at start."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgpack
import pytest

from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller import service as service_module
from minikafka.broker.controller.decide import (
    Decision,
    NewTopic,
    create_topic,
    delete_topic,
    reserve_producer_ids,
)
from minikafka.broker.controller.decide_brokers import register_broker
from minikafka.broker.controller.image import Image, Record, Standing, UnknownRecord
from minikafka.broker.controller.metadata_log import METADATA_DIRECTORY
from minikafka.broker.controller.service import Controller
from minikafka.broker.log.files import Files, StorageFailed
from minikafka.broker.log.recovery import Confirmed
from minikafka.protocol.control import RegisterBroker
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import iterate, iterate_batches

from ..in_process import SetClock, as_after_kill
from ..replica.unreliable_files import BROKEN, FULL, UnreliableFiles

CONFIG = BrokerConfig()


def controller_of(data_dir: Path, files: Files | None = None) -> Controller:
    """The controller of a data directory, opened as after a crash."""
    return Controller.open(files or Files(), str(data_dir), SetClock(), Random(1), Confirmed())


async def started(data_dir: Path, files: Files | None = None) -> Controller:
    """The same, when it is active."""
    controller = controller_of(data_dir, files)
    await controller.start()
    await controller.wait_for_cluster()
    return controller


def creating(name: str, partitions: int = 1) -> Callable[[Image], Decision]:
    """The command that creates a topic."""
    return lambda image: create_topic(image, CONFIG, NewTopic(name, partitions), Random(name))


async def populated(data_dir: Path, files: Files | None = None) -> Controller:
    """A controller after some commands."""
    controller = await started(data_dir, files)
    registration = RegisterBroker(1, "", "", 0, "", 0, True)
    await controller.submit(
        lambda image: register_broker(image, CONFIG, registration, 1, Standing.UNFENCED)
    )
    await controller.submit(creating("a", 3))
    await controller.submit(creating("b"))
    await controller.submit(lambda image: delete_topic(image, image.topics["a"].topic_id))
    await controller.submit(lambda image: reserve_producer_ids(image, 1))
    return controller


async def test_a_replay_gives_the_same_image(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    controller = await populated(data_dir)
    killed = controller_of(as_after_kill(data_dir))
    assert killed.image == controller.image
    assert killed.end_offset == controller.end_offset
    await controller.close()
    again = await started(data_dir)
    assert again.image == controller.image
    assert (await again.submit(creating("c"))).error_code is ErrorCode.NONE


async def test_commands_are_decided_in_order_each_on_what_the_ones_before_it_left(
    tmp_path: Path,
) -> None:
    controller = await populated(tmp_path)
    seen: list[int] = []

    def command(image: Image) -> Decision:
        seen.append(image.next_producer_id)
        return reserve_producer_ids(image, 1)

    decisions = await asyncio.gather(*[controller.submit(command) for _ in range(20)])
    assert seen == [each.value for each in decisions] == [*range(1000, 21_000, 1000)]


async def test_of_two_that_create_the_same_topic_one_is_refused(tmp_path: Path) -> None:
    controller = await populated(tmp_path)
    decisions = await asyncio.gather(*[controller.submit(creating("same")) for _ in range(2)])
    codes = [each.error_code for each in decisions]
    assert codes == [ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS]


async def test_nothing_is_applied_or_answered_before_it_is_on_disk(tmp_path: Path) -> None:
    files = UnreliableFiles()
    controller = await populated(tmp_path, files)
    files.hold()
    answer = asyncio.ensure_future(controller.submit(creating("c")))
    await files.held()
    assert "c" not in controller.image.topics
    assert not answer.done()
    files.release()
    await answer
    assert "c" in controller.image.topics


async def test_listeners_hear_each_record_after_it_is_applied(tmp_path: Path) -> None:
    controller = await populated(tmp_path)
    heard: list[tuple[str, bool]] = []

    def listen(record: Record, offset: int) -> None:
        heard.append((record["type"], "c" in controller.image.topics))

    controller.listeners.append(listen)
    await controller.submit(creating("c", 2))
    partition = ("PartitionCreated", True)
    assert heard == [("TopicCreated", True), partition, partition]


async def test_others_go_on_while_partitions_are_made_and_see_all_of_them(tmp_path: Path) -> None:
    controller = await populated(tmp_path)
    made: list[int] = []
    controller.listeners.append(lambda record, _: made.append(record.get("index", -1)))
    answer = asyncio.ensure_future(controller.submit(creating("c", 50)))
    seen: set[int] = set()
    while not answer.done():
        if made:
            assert len(controller.image.topics["c"].partitions) == 50
            seen.add(len(made))
        await asyncio.sleep(0)
    assert len(seen) >= 50


async def test_a_refused_command_writes_nothing(tmp_path: Path) -> None:
    controller = await populated(tmp_path)
    before = controller.end_offset
    decision = await controller.submit(creating("a b"))
    assert decision.error_code is ErrorCode.INVALID_TOPIC_EXCEPTION
    assert controller.end_offset == before


async def test_a_full_disk_refuses_a_command_and_the_next_one_works(tmp_path: Path) -> None:
    files = UnreliableFiles()
    controller = await populated(tmp_path, files)
    before = controller.end_offset
    files.append_error = FULL
    decision = await controller.submit(creating("c"))
    assert decision.error_code is ErrorCode.KAFKA_STORAGE_ERROR
    assert decision.message == str(FULL)
    assert (controller.end_offset, "c" in controller.image.topics) == (before, False)
    files.append_error = None
    assert (await controller.submit(creating("c"))).error_code is ErrorCode.NONE


async def test_a_failed_flush_is_reported_and_answered_with_an_error(tmp_path: Path) -> None:
    files = UnreliableFiles()
    controller = await populated(tmp_path, files)
    failures: list[StorageFailed] = []
    controller.on_failure = failures.append
    files.flush_error = BROKEN
    with pytest.raises(StorageFailed):
        await controller.submit(creating("c"))
    assert failures == [BROKEN]
    assert "c" not in controller.image.topics


async def test_a_command_that_raises_fails_alone(tmp_path: Path) -> None:
    controller = await populated(tmp_path)

    def broken(image: Image) -> Decision:
        raise LookupError("broken")

    results = await asyncio.gather(
        controller.submit(broken), controller.submit(creating("c")), return_exceptions=True
    )
    assert isinstance(results[0], LookupError)
    assert "c" in controller.image.topics


async def test_a_record_of_an_unknown_type_stops_the_start(tmp_path: Path) -> None:
    controller = await populated(tmp_path)
    newer = Decision([{"type": "VoterAdded"}])
    with pytest.raises(UnknownRecord):
        await controller.submit(lambda image: newer)
    await controller.close()
    with pytest.raises(UnknownRecord):
        controller_of(tmp_path)


async def test_the_queue_of_commands_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "MAX_QUEUED_COMMANDS", 2)
    controller = await populated(tmp_path)
    answers = [asyncio.ensure_future(controller.submit(creating(f"t{n}"))) for n in range(4)]
    results = await asyncio.gather(*answers, return_exceptions=True)
    assert [isinstance(each, Decision) for each in results] == [True, True, False, False]
    assert (await controller.submit(creating("later"))).error_code is ErrorCode.NONE


async def test_closing_finishes_the_commands_at_hand(tmp_path: Path) -> None:
    controller = await populated(tmp_path)
    answers = [asyncio.ensure_future(controller.submit(creating(f"t{n}"))) for n in range(5)]
    await asyncio.sleep(0)
    await controller.close()
    assert [(await each).error_code for each in answers] == [ErrorCode.NONE] * 5
    assert set(controller_of(tmp_path).image.topics) == {"b", *(f"t{n}" for n in range(5))}


async def test_a_large_command_and_many_small_ones_are_all_replayed(tmp_path: Path) -> None:
    controller = await populated(tmp_path)
    await controller.submit(creating("large", 9000))
    for number in range(100):
        await controller.submit(creating(f"t{number}"))
    await controller.close()
    image = controller_of(tmp_path).image
    assert len(image.topics["large"].partitions) == 9000
    assert image == controller.image


async def test_each_value_of_the_metadata_log_is_a_msgpack_map(tmp_path: Path) -> None:
    controller = await populated(tmp_path)
    await controller.close()
    data = (tmp_path / METADATA_DIRECTORY / f"{0:020d}.log").read_bytes()
    values = [
        msgpack.unpackb(record.value or b"")
        for batch in iterate_batches(data)
        for record in iterate(batch)
    ]
    types = [value["type"] for value in values]
    partitions = ["PartitionCreated"]
    assert types == [
        *("ControllerElected", "ClusterCreated", "BrokerRegistered"),
        *("TopicCreated", *partitions * 3, "TopicCreated", *partitions),
        *("TopicDeleted", "ProducerIdsReserved"),
    ]
