"""An active controller, and brokers that reach it over connections which a test can cut."""

from pathlib import Path
from random import Random
from typing import Any

from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller.brokers import BrokerDuties
from minikafka.broker.controller.decide import NewTopic, create_topic
from minikafka.broker.controller.image import Image, PartitionImage, Standing
from minikafka.broker.controller.live_config import LiveConfig
from minikafka.broker.controller.service import Controller, ControllerUnavailable
from minikafka.broker.controller.session import BrokerSession
from minikafka.broker.log.files import Files
from minikafka.protocol.control import Heartbeat, RegisterBroker

from ..in_process import until
from .test_service import controller_of

VOTERS = "1@127.0.0.1:1,2@127.0.0.1:2,3@127.0.0.1:3"


class Cluster:
    """Node 1 is the active controller; its duties run."""

    def __init__(self, controller: Controller, config: BrokerConfig) -> None:
        self.controller = controller
        self.config = config
        self.duties = BrokerDuties(controller, LiveConfig(config, controller.image), 1)
        self.incarnations = 0
        self.sessions: list[BrokerSession] = []
        """Of brokers that live in it, for `end`."""

    async def end(self) -> None:
        """Nobody lives in it any more."""
        for session in self.sessions:
            await session.stop()
        self.duties.end()

    @staticmethod
    async def begin(
        data_dir: Path, config: BrokerConfig | None = None, files: Files | None = None
    ) -> "Cluster":
        """A cluster whose broker 1 is registered."""
        cluster = Cluster(controller_of(data_dir, files), config or BrokerConfig(voters=VOTERS))
        await cluster.controller.start()
        await cluster.controller.wait_for_cluster()
        await cluster.register(1, connection=None)
        return cluster

    @property
    def image(self) -> Image:
        """What the controller has applied."""
        return self.controller.image

    def registration(self, broker_id: int, *, is_lossless: bool = True) -> RegisterBroker:
        """A process that begins, as another incarnation than any before."""
        self.incarnations += 1
        name = f"{broker_id} for the {self.incarnations}. time"
        return RegisterBroker(broker_id, name, "h", 1, "h", 2, is_lossless)

    async def ask(self, question: Any, connection: Any = "a connection") -> Any:
        """What the active controller answers."""
        return await self.controller.answerers[type(question)](question, connection)

    async def register(self, broker_id: int, connection: Any = "a connection") -> Any:
        """A process registers."""
        return await self.ask(self.registration(broker_id), connection)

    async def beat(self, broker_id: int, *, leave: bool = False, connection: Any = "c") -> Any:
        """A heartbeat of a broker that has applied everything."""
        epoch = self.image.brokers[broker_id].epoch
        beat = Heartbeat(broker_id, epoch, self.controller.end_offset - 1, leave)
        return await self.ask(beat, connection)

    async def live(self, *broker_ids: int) -> None:
        """Brokers that are registered and unfenced."""
        for broker_id in broker_ids:
            await self.register(broker_id)
            await self.beat(broker_id)
            assert self.standing(broker_id) is Standing.UNFENCED

    def standing(self, broker_id: int) -> Standing:
        """What a broker is."""
        return self.image.brokers[broker_id].standing

    async def create(self, name: str, *replicas: int) -> None:
        """A topic of one partition."""
        topic = NewTopic(name, -1, -1, {0: replicas})
        await self.controller.submit(
            lambda image: create_topic(image, self.config, topic, Random(name))
        )

    def partition(self, name: str) -> PartitionImage:
        """The partition of such a topic."""
        return self.image.topics[name].partitions[0]


class Member(Controller):
    """What a node has that follows the active controller: the same picture, and a way to ask."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.image = cluster.image
        self.is_active = False
        self.is_cut = False
        self.asked: list[Any] = []
        self.committed_offset = 0

    async def ask(self, question: Any, timeout_ms: int) -> Any:
        """Ask over this member's connection."""
        del timeout_ms
        self.committed_offset = self.cluster.controller.committed_offset
        self.asked.append(question)
        if self.is_cut:
            raise ControllerUnavailable("cut off")
        return await self.cluster.ask(question, self)

    def session(self, broker_id: int, *, is_lossless: bool = True) -> BrokerSession:
        """A life of this broker."""
        registration = self.cluster.registration(broker_id, is_lossless=is_lossless)
        session = BrokerSession(self, self.cluster.config, registration)
        self.cluster.sessions.append(session)
        return session

    async def live(self, broker_id: int) -> BrokerSession:
        """A life that has begun: this broker is registered and unfenced."""
        session = self.session(broker_id)
        await session.register()
        await until(lambda: not session.is_fenced)
        return session
