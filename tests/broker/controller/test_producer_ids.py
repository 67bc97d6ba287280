"""Producer ids: each is given once, whatever happens between."""

import asyncio
from pathlib import Path
from random import Random

from minikafka.broker.clock import WallClock
from minikafka.broker.controller.producer_ids import ProducerIds
from minikafka.broker.controller.service import Controller
from minikafka.broker.log.files import Files


async def take(data_dir: Path, count: int) -> list[int]:
    controller = Controller.open(Files(), str(data_dir), WallClock(), Random(1), False)
    ids = ProducerIds(controller, 1)
    taken = await asyncio.gather(*(ids.take() for _ in range(count)))
    await controller.close()
    return taken


async def test_no_id_is_given_twice_in_any_run(tmp_path: Path) -> None:
    first = await take(tmp_path, 1500)
    second = await take(tmp_path, 1500)
    assert len({*first, *second}) == 3000
