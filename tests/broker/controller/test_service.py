"""The controller of a lone node over a real metadata log."""

import asyncio
from pathlib import Path
from random import Random

import msgpack
import pytest

from minikafka.broker.clock import WallClock
from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller.decide import (
    Decision,
    NewTopic,
    create_cluster,
    create_topic,
    register_broker,
)
from minikafka.broker.controller.image import Image, UnknownRecord
from minikafka.broker.controller.service import METADATA_DIRECTORY, Controller
from minikafka.broker.log.files import Files
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import iterate, iterate_batches


def open_controller(data_dir: Path, *, is_clean: bool = False) -> Controller:
    return Controller.open(Files(), str(data_dir), WallClock(), Random(1), is_clean)


def creating(name: str):
    return lambda image: create_topic(image, BrokerConfig(), NewTopic(name), Random(name))


async def prepared(data_dir: Path) -> Controller:
    controller = open_controller(data_dir)
    await controller.submit(lambda image: create_cluster("cluster", 1))
    await controller.submit(lambda image: register_broker(image, 1, 0, True))
    return controller


async def test_commands_are_decided_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    controller = await prepared(tmp_path)
    decisions = await asyncio.gather(*(controller.submit(creating("t")) for _ in range(3)))
    codes = [decision.error_code for decision in decisions]
    assert codes == [0, ErrorCode.TOPIC_ALREADY_EXISTS, ErrorCode.TOPIC_ALREADY_EXISTS]
    await controller.close()


@pytest.mark.parametrize("is_clean", [True, False])
async def test_a_restart_gives_the_same_image(tmp_path: Path, is_clean: bool) -> None:
    controller = await prepared(tmp_path)
    for number in range(20):
        await controller.submit(creating(f"t{number}"))
    if is_clean:
        await controller.close()
    again = open_controller(tmp_path, is_clean=is_clean)
    assert again.image == controller.image
    assert len(again.image.topics) == 20
    await again.close()


async def test_nothing_is_applied_before_it_is_on_disk(tmp_path: Path) -> None:
    class Watched(Files):
        topics_at_flush: list[int] = []

        async def flush(self, files):
            self.topics_at_flush.append(len(controller.image.topics))
            await super().flush(files)

    controller = Controller.open(Watched(), str(tmp_path), WallClock(), Random(1), False)
    await controller.submit(lambda image: register_broker(image, 1, 0, True))
    await controller.submit(creating("t"))
    assert Watched.topics_at_flush == [0, 0]
    assert list(controller.image.topics) == ["t"]
    await controller.close()


async def test_each_value_of_the_metadata_log_is_a_msgpack_map(tmp_path: Path) -> None:
    controller = await prepared(tmp_path)
    await controller.submit(creating("t"))
    await controller.close()
    data = (tmp_path / METADATA_DIRECTORY / f"{0:020d}.log").read_bytes()
    records = [
        msgpack.unpackb(record.value or b"")
        for batch in iterate_batches(data)
        for record in iterate(batch)
    ]
    types = [record["type"] for record in records]
    assert types == ["ClusterCreated", "BrokerRegistered", "TopicCreated", "PartitionCreated"]


async def test_a_command_that_fails_fails_alone(tmp_path: Path) -> None:
    controller = await prepared(tmp_path)

    def broken(image: Image) -> Decision:
        raise RuntimeError("a bug")

    results = await asyncio.gather(
        controller.submit(broken), controller.submit(creating("t")), return_exceptions=True
    )
    assert isinstance(results[0], RuntimeError)
    assert list(controller.image.topics) == ["t"]
    await controller.close()


async def test_an_unknown_record_stops_the_start(tmp_path: Path) -> None:
    controller = await prepared(tmp_path)
    with pytest.raises(UnknownRecord, match="Surprise"):
        await controller.submit(lambda image: Decision([{"type": "Surprise"}]))
    await controller.close()
    with pytest.raises(UnknownRecord, match="Surprise"):
        open_controller(tmp_path, is_clean=True)
