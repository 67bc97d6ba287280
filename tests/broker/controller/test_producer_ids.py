"""Producer ids: each is given once, and blocks are committed before their first is given."""

import asyncio
from pathlib import Path

from minikafka.broker.controller.decide import PRODUCER_IDS_PER_BLOCK
from minikafka.broker.controller.producer_ids import ProducerIds
from minikafka.protocol.errors import ErrorCode

from ..in_process import as_after_kill
from ..replica.unreliable_files import FULL, UnreliableFiles
from .members import Cluster, Member
from .test_service import controller_of


async def test_ids_follow_each_other_over_the_ends_of_blocks(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    ids = ProducerIds(cluster.controller, 1)
    given = [await ids.take() for _ in range(PRODUCER_IDS_PER_BLOCK + 5)]
    assert given == [*range(PRODUCER_IDS_PER_BLOCK + 5)]


async def test_those_who_come_together_share_one_block(tmp_path: Path) -> None:
    controller = (await Cluster.begin(tmp_path)).controller
    before = controller.end_offset
    ids = ProducerIds(controller, 1)
    given = await asyncio.gather(*[ids.take() for _ in range(100)])
    assert len(set(given)) == 100
    assert controller.end_offset == before + 1


async def test_a_block_is_on_disk_before_its_first_id_is_given(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path / "data")
    given = await ProducerIds(cluster.controller, 1).take()
    after_kill = controller_of(as_after_kill(tmp_path / "data"))
    assert isinstance(given, int)
    assert after_kill.image.next_producer_id > given


async def test_two_brokers_never_share_an_id(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    await cluster.register(2)
    one, two = ProducerIds(cluster.controller, 1), ProducerIds(cluster.controller, 2)
    given = [await each.take() for _ in range(PRODUCER_IDS_PER_BLOCK + 1) for each in (one, two)]
    assert len(set(given)) == len(given)


async def test_without_a_block_there_is_an_error_and_no_id(tmp_path: Path) -> None:
    files = UnreliableFiles()
    cluster = await Cluster.begin(tmp_path, files=files)
    ids = ProducerIds(cluster.controller, 1)
    files.append_error = FULL
    assert await ids.take() is ErrorCode.KAFKA_STORAGE_ERROR
    files.append_error = None
    assert await ids.take() == 0


async def test_a_broker_that_the_controller_does_not_know_tries_again_later(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    ids = ProducerIds(Member(cluster), 2)
    assert await ids.take() is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    await cluster.register(2)
    assert await ids.take() == 0


async def test_a_controller_out_of_reach_is_tried_again_later(tmp_path: Path) -> None:
    member = Member(await Cluster.begin(tmp_path))
    member.is_cut = True
    assert await ProducerIds(member, 1).take() is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS


async def test_no_id_is_given_twice_in_any_run(tmp_path: Path) -> None:
    given: list[int | ErrorCode] = []
    for _ in range(2):
        cluster = await Cluster.begin(tmp_path)
        ids = ProducerIds(cluster.controller, 1)
        given += await asyncio.gather(*(ids.take() for _ in range(1500)))
        await cluster.controller.close()
    assert len(set(given)) == 3000
