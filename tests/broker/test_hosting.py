"""A partition that cannot be served: the node starts, the others work, nothing in it is changed."""

import logging
from pathlib import Path

import pytest

from minikafka.broker.controller.metadata_log import METADATA_DIRECTORY
from minikafka.broker.log import checkpoints
from minikafka.broker.log.last_run import LAST_RUN, LastRun, load
from minikafka.broker.node import NodeError
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest
from minikafka.protocol.api.describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsRequestTopic,
)
from minikafka.protocol.api.list_offsets import (
    LATEST_TIMESTAMP,
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
)
from minikafka.protocol.api.metadata import MetadataRequest, MetadataRequestTopic
from minikafka.protocol.api.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochRequestPartition,
    OffsetForLeaderEpochRequestTopic,
)
from minikafka.protocol.errors import ErrorCode

from .in_process import Rebooted, as_after_kill, batch_of, serving, until
from .replica.unreliable_files import BROKEN, FULL, UnreliableFiles

LOG = "00000000000000000000.log"


async def damaged(data_dir: Path) -> Path:
    """A stopped node with topic orders, of whose two partitions the first has lost its records."""
    async with serving(data_dir) as node:
        await node.create("orders", partitions=2)
        for index in range(2):
            await node.produce("orders", batch_of(b"%d" % index), index=index)
    (data_dir / "orders-0" / LOG).write_bytes(b"")
    return data_dir / "orders-0"


def content(directory: Path) -> dict[str, bytes]:
    """What each file of a partition holds."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def saved_offsets(data_dir: Path, name: str = checkpoints.RECOVERY_POINT) -> dict[str, int]:
    """What an offset checkpoint says, by directory."""
    rows = checkpoints.decode_offsets((data_dir / name).read_bytes())
    return {f"{topic}-{index}": offset for (topic, index), offset in rows.items()}


@pytest.mark.parametrize("is_clean", [True, False])
async def test_every_request_for_it_is_told_and_the_others_are_served(
    tmp_path: Path, is_clean: bool, caplog: pytest.LogCaptureFixture
) -> None:
    directory = await damaged(tmp_path / "node")
    if not is_clean:
        (tmp_path / "node" / checkpoints.CLEAN_SHUTDOWN).unlink()
    before = content(directory)
    caplog.set_level(logging.ERROR)
    async with serving(tmp_path / "node") as node:
        produced = await node.produce("orders", batch_of())
        assert produced.error_code == ErrorCode.CORRUPT_MESSAGE
        assert f"minikafka log repair --dry-run {directory}" in (produced.error_message or "")
        assert (await node.fetch("orders", 0)).error_code == ErrorCode.CORRUPT_MESSAGE
        wanted = ListOffsetsRequestPartition(partition_index=0, timestamp=LATEST_TIMESTAMP)
        topic = ListOffsetsRequestTopic(name="orders", partitions=[wanted])
        listed = await node.call(ListOffsetsRequest(replica_id=-1, topics=[topic]), 7)
        assert listed.topics[0].partitions[0].error_code == ErrorCode.CORRUPT_MESSAGE
        epoch = OffsetForLeaderEpochRequestPartition(partition=0, leader_epoch=0)
        epochs = OffsetForLeaderEpochRequestTopic(topic="orders", partitions=[epoch])
        ended = await node.call(OffsetForLeaderEpochRequest(topics=[epochs]), 4)
        assert ended.topics[0].partitions[0].error_code == ErrorCode.CORRUPT_MESSAGE

        assert (await node.produce("orders", batch_of(), index=1)).error_code == ErrorCode.NONE
        assert len(await node.records("orders", index=1)) == 2
    assert content(directory) == before
    [line] = [record.getMessage() for record in caplog.records]
    assert str(directory / LOG) in line
    assert "below 1" in line
    assert "log repair" in line


async def test_metadata_lists_it_without_a_leader_so_that_clients_keep_away(
    tmp_path: Path,
) -> None:
    await damaged(tmp_path / "node")
    async with serving(tmp_path / "node") as node:
        looked = await node.call(MetadataRequest(topics=[MetadataRequestTopic(name="orders")]), 12)
        [topic] = looked.topics
        assert topic.error_code == ErrorCode.NONE
        assert [
            (each.error_code, each.leader_id, each.offline_replicas) for each in topic.partitions
        ] == [(ErrorCode.LEADER_NOT_AVAILABLE, -1, [1]), (ErrorCode.NONE, 1, [])]
        request = DescribeTopicPartitionsRequest(
            topics=[DescribeTopicPartitionsRequestTopic(name="orders")]
        )
        [topic] = (await node.call(request, 0)).topics
        assert [(each.leader_id, each.offline_replicas) for each in topic.partitions] == [
            (-1, [1]),
            (1, []),
        ]


async def test_checkpoints_keep_what_they_know_of_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    await damaged(data_dir)
    for _ in range(2):  # A start and a stop both write them.
        async with serving(data_dir) as node:
            await node.produce("orders", batch_of(), index=1)
    for name in (checkpoints.RECOVERY_POINT, checkpoints.HIGH_WATERMARK):
        offsets = saved_offsets(data_dir, name)
        assert (offsets["orders-0"], offsets["orders-1"]) == (1, 3)


async def test_its_topic_can_be_deleted_and_made_anew(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    directory = await damaged(data_dir)
    async with serving(data_dir) as node:
        request = DeleteTopicsRequest(topic_names=["orders"], timeout_ms=1000)
        answer = await node.call(request, 5)
        assert answer.responses[0].error_code == ErrorCode.NONE
        assert not directory.exists()
        assert not any(name.startswith("orders") for name in saved_offsets(data_dir))
        await node.create("orders")
        assert (await node.produce("orders", batch_of())).base_offset == 0


@pytest.mark.parametrize(
    ("name", "nonsense"),
    [
        (checkpoints.PARTITION_METADATA, b"version: 7\ntopic_id: ?"),
        (checkpoints.LEADER_EPOCHS, b"0\n2\n3 10\n"),
        (checkpoints.LEADER_EPOCHS, b"0\n2\n3 10\n2 20\n"),
        (checkpoints.LEADER_EPOCHS, b"1\n0\n"),
    ],
)
async def test_nonsense_beside_its_log_fails_it_alone(
    tmp_path: Path, name: str, nonsense: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await node.create("orders", partitions=2)
    (data_dir / "orders-0" / name).write_bytes(nonsense)
    before = content(data_dir / "orders-0")
    async with serving(data_dir) as node:
        assert (await node.fetch("orders", 0)).error_code == ErrorCode.CORRUPT_MESSAGE
        assert (await node.produce("orders", batch_of(), index=1)).error_code == ErrorCode.NONE
    assert content(data_dir / "orders-0") == before
    assert str(data_dir / "orders-0" / name) in caplog.text


async def test_one_that_finds_no_room_is_opened_when_there_is_some(tmp_path: Path) -> None:
    files = UnreliableFiles()
    interval = {"log_flush_offset_checkpoint_interval_ms": 10}
    async with serving(tmp_path / "node", files=files, **interval) as node:

        def no_room(path: str) -> None:
            raise FULL

        make_directory, files.make_directory = files.make_directory, no_room
        await node.call(MetadataRequest(topics=[MetadataRequestTopic(name="orders")]), 9)
        produced = await node.produce("orders", batch_of())
        assert produced.error_code == ErrorCode.KAFKA_STORAGE_ERROR
        files.make_directory = make_directory
        await until(lambda: not node.node._replicas.unserved)
        assert (await node.produce("orders", batch_of())).base_offset == 0


async def test_a_stray_directory_is_named_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await node.create("orders")
    stray = data_dir / "other-3"
    stray.mkdir()
    (stray / LOG).write_bytes(b"whose?")
    async with serving(data_dir):
        pass
    assert content(stray) == {LOG: b"whose?"}
    [line] = [line for line in caplog.messages if "belongs to no topic" in line]
    assert str(stray) in line


async def kill_with_records_behind_damage(data_dir: Path) -> Path:
    """A copy of a killed node, with a bad byte above what is confirmed and a sound batch behind."""
    async with serving(data_dir) as node:
        await node.create("orders")
        await node.produce("orders", batch_of(b"a"))
        await node.produce("orders", batch_of(b"b"))
        killed = as_after_kill(data_dir)
    data = bytearray((killed / "orders-0" / LOG).read_bytes())
    data[70] ^= 1
    (killed / "orders-0" / LOG).write_bytes(data)
    return killed


async def test_a_start_that_sets_records_aside_is_not_lossless(tmp_path: Path) -> None:
    """However the last run wrote: who has read what is gone must be able to tell (KIP-320)."""
    killed = await kill_with_records_behind_damage(tmp_path / "node")
    async with serving(killed) as node:
        assert node.partition("orders").epochs.entries == [(1, 0)]
        assert node.partition("orders").log.log_end_offset == 0
        assert load(node.node._files, str(killed)).flush == "fsync"
        await node.produce("orders", batch_of(b"c"))
    async with serving(killed) as node:
        assert node.partition("orders").leader_epoch == 1


async def test_a_start_that_set_records_aside_and_was_killed_is_remembered(
    tmp_path: Path,
) -> None:
    killed = await kill_with_records_behind_damage(tmp_path / "node")

    class KilledBeforeRegistering(UnreliableFiles):
        def boot_id(self) -> str:
            raise BROKEN

    with pytest.raises(NodeError):
        async with serving(killed, files=KilledBeforeRegistering()):
            pass
    assert (killed / "orders-0" / f"{0:020d}.cut").exists()
    assert not (killed / LAST_RUN).exists()
    async with serving(as_after_kill(killed)) as node:
        assert node.partition("orders").epochs.entries == [(1, 0)]


async def test_a_torn_write_alone_leaves_a_start_lossless(tmp_path: Path) -> None:
    async with serving(tmp_path / "node") as node:
        await node.create("orders")
        await node.produce("orders", batch_of(b"a"))
        killed = as_after_kill(tmp_path / "node")
    log = killed / "orders-0" / LOG
    log.write_bytes(log.read_bytes() + b"half a batch")
    async with serving(killed, files=Rebooted()) as node:
        assert node.partition("orders").leader_epoch == 0
        assert len(await node.records("orders")) == 1


@pytest.mark.parametrize(
    ("damage", "is_clean", "is_confirmed"),
    [(70, True, True), (70, False, True), (-1, True, True), (-1, False, True), (70, False, False)],
)
async def test_a_damaged_metadata_log_stops_the_node_with_one_sentence(
    tmp_path: Path, damage: int, is_clean: bool, is_confirmed: bool
) -> None:
    """Also where no checkpoint tells, if valid batches lie behind the damage."""
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await node.create("orders")
    if not is_clean:
        (data_dir / checkpoints.CLEAN_SHUTDOWN).unlink()
    if not is_confirmed:
        (data_dir / checkpoints.RECOVERY_POINT).unlink()
        (data_dir / checkpoints.HIGH_WATERMARK).unlink()
    path = data_dir / METADATA_DIRECTORY / LOG
    data = bytearray(path.read_bytes())
    data[damage] ^= 1
    path.write_bytes(data)
    with pytest.raises(NodeError, match=str(path)) as error:
        async with serving(data_dir):
            pass
    assert "\n" not in str(error.value)
    assert path.read_bytes() == data
    assert (data_dir / "orders-0" / LOG).exists()


def test_who_said_nothing_promised_nothing() -> None:
    assert not LastRun("os", "").is_lossless("")
