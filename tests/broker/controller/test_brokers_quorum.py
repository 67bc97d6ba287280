"""Three nodes: brokers live while controllers come and go."""

import asyncio
from pathlib import Path
from random import Random

from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller.brokers import BrokerDuties
from minikafka.broker.controller.decide import NewTopic, create_topic
from minikafka.broker.controller.image import Image, Standing
from minikafka.broker.controller.live_config import LiveConfig
from minikafka.broker.controller.session import BrokerSession
from minikafka.protocol.control import RegisterBroker

from .members import VOTERS
from .quorum_cluster import ControllerNode, cluster, until

CONFIG = BrokerConfig(
    voters=VOTERS, broker_heartbeat_interval_ms=50, broker_session_timeout_ms=6000
)


def live(node: ControllerNode, life: int = 1) -> BrokerSession:
    """What a node does for others and what it says of itself, both at once."""
    controller = node.controller
    BrokerDuties(controller, LiveConfig(CONFIG, controller.image), node.id)
    name = f"{node.id} for the {life}. time"
    registration = RegisterBroker(node.id, name, "h", node.id, "h", 10 + node.id, is_lossless=True)
    return BrokerSession(controller, CONFIG, registration)


def alive(image: Image) -> list[int]:
    """The brokers that are not fenced."""
    return [each for each in sorted(image.brokers) if image.is_alive(each)]


async def test_the_death_of_the_active_controller_moves_its_partitions(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        sessions = {node.id: live(node) for node in nodes.up}
        await asyncio.gather(*(each.register() for each in sessions.values()))
        await until(lambda: all(not each.is_fenced for each in sessions.values()))
        leader = await nodes.leader()
        assert alive(leader.controller.image) == [1, 2, 3]
        for broker_id, broker in leader.controller.image.brokers.items():
            assert broker.epoch == sessions[broker_id].epoch
        replicas = (leader.id, *(each.id for each in nodes.up if each is not leader))
        topic = NewTopic("orders", -1, -1, {0: replicas})
        decision = await leader.controller.submit(
            lambda image: create_topic(image, CONFIG, topic, Random(1))
        )
        assert not decision.error_code

        await sessions[leader.id].stop()
        await leader.kill()
        successor = await nodes.leader()
        image = successor.controller.image
        await until(lambda: image.topics["orders"].partitions[0].leader == replicas[1])
        assert image.topics["orders"].partitions[0].isr == replicas[1:]
        assert image.brokers[leader.id].standing is Standing.FENCED

        await leader.start()
        again = live(leader, life=2)
        assert await again.register() > sessions[leader.id].epoch
        await until(lambda: alive(image) == [1, 2, 3])
        for session in (again, *(sessions[each] for each in replicas[1:])):
            await session.stop()
