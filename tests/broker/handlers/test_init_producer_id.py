"""InitProducerId: every id is given once, whatever happens in between."""

from pathlib import Path

import pytest

from minikafka.broker.controller.decide import PRODUCER_IDS_PER_BLOCK
from minikafka.protocol.api.init_producer_id import InitProducerIdRequest
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, as_after_kill, serving

REQUEST = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)


async def ids_of(node: ServedNode, count: int) -> list[int]:
    """This many ids, asked for in one go."""
    client = await node.connect()
    for _ in range(count):
        client.send(REQUEST)
    answers = [await client.receive(InitProducerIdRequest) for _ in range(count)]
    assert all((each.error_code, each.producer_epoch) == (0, 0) for each in answers)
    return [each.producer_id for each in answers]


@pytest.mark.parametrize("version", range(6))
async def test_every_version_gives_an_id_with_epoch_0(node: ServedNode, version: int) -> None:
    answer = await node.call(REQUEST, version)
    assert (answer.error_code, answer.producer_id, answer.producer_epoch) == (0, 0, 0)


async def test_no_id_is_given_twice(node: ServedNode) -> None:
    ids = await ids_of(node, PRODUCER_IDS_PER_BLOCK + 10)
    assert len(set(ids)) == len(ids)


async def test_many_who_ask_at_once_share_a_block(node: ServedNode) -> None:
    before = node.node._controller.end_offset
    await ids_of(node, 50)
    assert node.node._controller.end_offset == before + 1


@pytest.mark.parametrize("end", ["clean stop", "kill"])
async def test_no_id_is_given_again_after_a_restart(tmp_path: Path, end: str) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        first = await ids_of(node, 3)
        if end == "kill":
            data_dir = as_after_kill(data_dir)
    async with serving(data_dir) as node:
        assert not set(first) & set(await ids_of(node, 3))


@pytest.mark.parametrize(
    ("transactional_id", "error_code"),
    [
        ("payments", ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        ("", ErrorCode.INVALID_REQUEST),
    ],
)
async def test_a_transactional_id_is_refused(
    node: ServedNode, transactional_id: str, error_code: ErrorCode
) -> None:
    request = InitProducerIdRequest(
        transactional_id=transactional_id, transaction_timeout_ms=60_000
    )
    answer = await node.call(request)
    assert ErrorCode(answer.error_code) is error_code
    assert (answer.producer_id, answer.producer_epoch) == (-1, -1)


@pytest.mark.parametrize(("producer_id", "epoch"), [(5, -1), (-1, 0)])
async def test_an_id_without_an_epoch_is_an_invalid_request(
    node: ServedNode, producer_id: int, epoch: int
) -> None:
    request = InitProducerIdRequest(
        transactional_id=None,
        transaction_timeout_ms=0,
        producer_id=producer_id,
        producer_epoch=epoch,
    )
    assert (await node.call(request)).error_code == ErrorCode.INVALID_REQUEST


async def test_a_producer_that_lost_its_place_gets_a_fresh_id(node: ServedNode) -> None:
    request = InitProducerIdRequest(
        transactional_id=None, transaction_timeout_ms=0, producer_id=0, producer_epoch=4
    )
    (first,) = await ids_of(node, 1)
    answer = await node.call(request)
    assert answer.producer_id != first
    assert answer.producer_epoch == 0
