"""Produce by idempotent producers (KIP-98): the window of five, wrap, epochs, and restarts."""

from pathlib import Path

import pytest

from minikafka.protocol.batch import MAX_SEQUENCE
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, as_after_kill, batch_of, serving

PRODUCER_ID = 4000


async def sent(
    node: ServedNode, sequence: int, count: int = 1, epoch: int = 0
) -> tuple[ErrorCode, int]:
    """Produce `count` records from `sequence` on; error and base offset."""
    batch = batch_of(*[b"v"] * count, producer=(PRODUCER_ID, epoch, sequence))
    answer = await node.produce("orders", batch)
    return ErrorCode(answer.error_code), answer.base_offset


async def test_any_of_the_last_five_batches_is_a_duplicate_with_its_first_offset(
    node: ServedNode,
) -> None:
    await node.create("orders")
    offsets = [(await sent(node, 2 * number, count=2))[1] for number in range(7)]
    assert offsets == [0, 2, 4, 6, 8, 10, 12]
    for number in range(2, 7):
        assert await sent(node, 2 * number, count=2) == (ErrorCode.NONE, offsets[number])
    assert await sent(node, 2, count=2) == (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1)
    assert len(await node.records("orders")) == 14


async def test_a_duplicate_is_recognized_by_both_its_ends(node: ServedNode) -> None:
    await node.create("orders")
    await sent(node, 0, count=3)
    for sequence, count in ((0, 2), (1, 2), (0, 4), (2, 1)):
        code, _ = await sent(node, sequence, count)
        assert code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


async def test_a_gap_is_out_of_order(node: ServedNode) -> None:
    await node.create("orders")
    await sent(node, 0)
    assert (await sent(node, 2))[0] is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert await sent(node, 1) == (ErrorCode.NONE, 1)


async def test_a_producer_that_nobody_remembers_may_begin_anywhere(node: ServedNode) -> None:
    await node.create("orders")
    assert await sent(node, 17) == (ErrorCode.NONE, 0)
    assert (await sent(node, 17))[1] == 0
    assert (await sent(node, 19))[0] is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


async def test_after_the_largest_sequence_comes_0(node: ServedNode) -> None:
    await node.create("orders")
    assert await sent(node, MAX_SEQUENCE - 1, count=2) == (ErrorCode.NONE, 0)
    assert await sent(node, 0) == (ErrorCode.NONE, 2)
    assert await sent(node, MAX_SEQUENCE - 1, count=2) == (ErrorCode.NONE, 0)


async def test_a_batch_may_lie_across_the_wrap(node: ServedNode) -> None:
    await node.create("orders")
    assert await sent(node, MAX_SEQUENCE, count=3) == (ErrorCode.NONE, 0)
    assert await sent(node, MAX_SEQUENCE, count=3) == (ErrorCode.NONE, 0)
    assert await sent(node, 2) == (ErrorCode.NONE, 3)


async def test_a_new_epoch_begins_at_0_and_fences_the_old_one(node: ServedNode) -> None:
    await node.create("orders")
    await sent(node, 0)
    assert (await sent(node, 1, epoch=1))[0] is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert await sent(node, 0, epoch=1) == (ErrorCode.NONE, 1)
    assert (await sent(node, 1, epoch=0))[0] is ErrorCode.INVALID_PRODUCER_EPOCH
    assert (await sent(node, 0, epoch=0))[0] is ErrorCode.INVALID_PRODUCER_EPOCH


async def test_producers_are_kept_apart_by_partition(node: ServedNode) -> None:
    await node.create("orders", partitions=2)
    await sent(node, 0)
    batch = batch_of(producer=(PRODUCER_ID, 0, 0))
    assert (await node.produce("orders", batch, index=1)).base_offset == 0


async def test_a_refused_batch_leaves_no_trace(node: ServedNode) -> None:
    await node.create("orders", max_message_bytes="200")
    await sent(node, 0)
    large = batch_of(b"x" * 200, producer=(PRODUCER_ID, 0, 1))
    assert (await node.produce("orders", large)).error_code == ErrorCode.MESSAGE_TOO_LARGE
    assert await sent(node, 1) == (ErrorCode.NONE, 1)


@pytest.mark.parametrize("end", ["clean stop", "kill"])
@pytest.mark.parametrize("segment_bytes", ["1073741824", "300"])
async def test_the_window_of_five_outlives_a_restart(
    tmp_path: Path, end: str, segment_bytes: str
) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await node.create("orders", segment_bytes=segment_bytes)
        for sequence in range(8):
            await sent(node, sequence)
        if end == "kill":
            data_dir = as_after_kill(data_dir)
    async with serving(data_dir) as node:
        for sequence in range(3, 8):
            assert await sent(node, sequence) == (ErrorCode.NONE, sequence)
        assert (await sent(node, 2))[0] is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert (await sent(node, 9))[0] is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert await sent(node, 8) == (ErrorCode.NONE, 8)
        assert len(await node.records("orders")) == 9


@pytest.mark.parametrize("end", ["clean stop", "kill"])
async def test_the_epoch_outlives_a_restart(tmp_path: Path, end: str) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await node.create("orders")
        await sent(node, 0)
        await sent(node, 0, epoch=3)
        if end == "kill":
            data_dir = as_after_kill(data_dir)
    async with serving(data_dir) as node:
        assert (await sent(node, 1, epoch=2))[0] is ErrorCode.INVALID_PRODUCER_EPOCH
        assert await sent(node, 0, epoch=3) == (ErrorCode.NONE, 1)
        assert await sent(node, 1, epoch=3) == (ErrorCode.NONE, 2)
