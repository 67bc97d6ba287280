"""Producer ids: each is given once, and blocks are committed before their first is given."""

import asyncio
from pathlib import Path

from minikafka.broker.controller.decide import PRODUCER_IDS_PER_BLOCK
from minikafka.broker.controller.producer_ids import ProducerIds
from minikafka.protocol.errors import ErrorCode

from ..in_process import as_after_kill
from ..replica.unreliable_files import FULL, UnreliableFiles
from .test_service import controller_of, populated, started


async def test_ids_follow_each_other_over_the_ends_of_blocks(tmp_path: Path) -> None:
    controller = await populated(tmp_path)
    first = controller.image.next_producer_id
    ids = ProducerIds(controller, 1)
    given = [await ids.take() for _ in range(PRODUCER_IDS_PER_BLOCK + 5)]
    assert given == [*range(first, first + PRODUCER_IDS_PER_BLOCK + 5)]


async def test_those_who_come_together_share_one_block(tmp_path: Path) -> None:
    controller = await populated(tmp_path)
    before = controller.end_offset
    ids = ProducerIds(controller, 1)
    given = await asyncio.gather(*[ids.take() for _ in range(100)])
    assert len(set(given)) == 100
    assert controller.end_offset == before + 1


async def test_a_block_is_on_disk_before_its_first_id_is_given(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    controller = await populated(data_dir)
    given = await ProducerIds(controller, 1).take()
    after_kill = controller_of(as_after_kill(data_dir))
    assert isinstance(given, int)
    assert after_kill.image.next_producer_id > given


async def test_two_brokers_never_share_an_id(tmp_path: Path) -> None:
    controller = await populated(tmp_path)
    one, two = ProducerIds(controller, 1), ProducerIds(controller, 2)
    given = [await each.take() for _ in range(PRODUCER_IDS_PER_BLOCK + 1) for each in (one, two)]
    assert len(set(given)) == len(given)


async def test_without_a_block_there_is_an_error_and_no_id(tmp_path: Path) -> None:
    files = UnreliableFiles()
    ids = ProducerIds(await populated(tmp_path, files), 1)
    files.append_error = FULL
    assert await ids.take() is ErrorCode.KAFKA_STORAGE_ERROR
    files.append_error = None
    assert await ids.take() == 1000


async def test_no_id_is_given_twice_in_any_run(tmp_path: Path) -> None:
    given: list[int | ErrorCode] = []
    for _ in range(2):
        controller = await started(tmp_path)
        ids = ProducerIds(controller, 1)
        given += await asyncio.gather(*(ids.take() for _ in range(1500)))
        await controller.close()
    assert len(set(given)) == 3000
