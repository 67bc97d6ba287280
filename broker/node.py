"""One node: builds the parts, starts and stops them in order; the one place that knows all.

    start   bind the address             so that a busy port changes nothing on disk
            lock the data directory      so that a second node changes nothing either
            clean marker                 read and deleted before anything is loaded
            metadata log -> image        who are we, which topics are there
            partitions                   opened, recovered if the last stop was not clean
            serve

    stop    no new connections, all that is written flushed, waiting requests answered,
            logs closed, checkpoints, clean marker

A disk that fails ends the node at once, without the clean marker and with exit status 1.
"""

import asyncio
import logging
import signal
from random import Random, SystemRandom
from typing import Literal, cast

from . import descriptors
from .clock import WallClock
from .config import STORED_ONLY, BrokerConfig, TopicConfig, parse_address
from .controller.decide import create_cluster, register_broker
from .controller.image import PartitionImage, Record, TopicImage, UnknownRecord
from .controller.producer_ids import ProducerIds
from .controller.service import Command, Controller
from .handlers.context import Context
from .log import checkpoints, last_run
from .log.files import File, Files, StorageError, StorageFailed
from .log.scan import CorruptLog
from .options import ConfigError, option_texts
from .replica.manager import ReplicaManager
from .replica.store import PartitionIdentity, PartitionStore
from .server import Server

LOCK_FILE = ".lock"
_UNUSABLE = (StorageError, CorruptLog, checkpoints.CorruptCheckpoint)
"""What is wrong with files that cannot be used."""

log = logging.getLogger("minikafka.node")


class NodeError(Exception):
    """The node cannot start or go on; the message is one sentence for the user."""


class Node:
    """A broker and, alone, its own controller."""

    def __init__(
        self,
        config: BrokerConfig,
        *,
        files: Files | None = None,
        clock: WallClock | None = None,
        random: Random | None = None,
    ) -> None:
        self.config = config
        self.data_dir = config.data_dir or f"minikafka-data/node-{config.node_id}"
        self.client_address = ("", 0)
        self._files = files or Files()
        self._clock = clock or WallClock()
        self._random = random or SystemRandom()
        self._stopping: asyncio.Future[Exception | None]
        self._checkpoint_timer: asyncio.TimerHandle | None = None
        self._lock: File | None = None
        self._server: Server
        self._replicas: ReplicaManager
        self._controller: Controller
        self._store: PartitionStore

    async def start(self) -> None:
        """Start to serve; raises ConfigError or NodeError with nothing changed on disk."""
        loop = asyncio.get_running_loop()
        self._stopping = loop.create_future()
        self._warn_of_options()
        self._server = Server(self.config, loop)
        advertised = self._check_addresses()
        await self._bind()
        try:
            await self._open(loop)
        except (NodeError, UnknownRecord, *_UNUSABLE, OSError) as error:
            await self._server.stop_reading()
            if self._lock is not None:
                self._lock.close()
            if isinstance(error, NodeError):
                raise
            raise NodeError(f"data directory {self.data_dir}: {error}") from error
        self._checkpoint()
        producer_ids = ProducerIds(self._controller, self.config.node_id)
        await self._server.serve(
            Context(
                self.config, self._controller, producer_ids, self._replicas, self._clock, advertised
            )
        )

    async def stop(self) -> None:
        """Stop cleanly: everything acknowledged or written is on disk, and the marker says so."""
        if self._checkpoint_timer is not None:
            self._checkpoint_timer.cancel()
        await self._server.stop_reading()
        await self._replicas.flush_all()
        self._replicas.stop()
        self._server.stop()
        await self._controller.close()
        for partition in self._replicas.partitions.values():
            self._store.close(partition)
        self._store.checkpoint(self._replicas.partitions.values())
        marker = checkpoints.encode_clean_shutdown(self._controller.end_offset)
        self._files.write_atomically(f"{self.data_dir}/{checkpoints.CLEAN_SHUTDOWN}", marker)
        if self._lock is not None:
            self._lock.close()

    async def run(self) -> int:
        """Start, say so on stdout, serve until SIGTERM, SIGINT or a failure; the exit status."""
        await self.start()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_soon, None)
        host, port = self.client_address
        print(
            f"minikafka node {self.config.node_id} ready: clients {_join(host, port)}, "
            f"data {self.data_dir}",
            flush=True,
        )
        failure = await self._stopping
        if failure is not None:
            log.critical("the disk failed, the node stops at once: %s", failure)
            return 1
        await self.stop()
        return 0

    def _stop_soon(self, failure: Exception | None) -> None:
        if not self._stopping.done():
            self._stopping.set_result(failure)

    def _warn_of_options(self) -> None:
        """Say which of the options set do nothing yet."""
        texts, defaults = option_texts(self.config), option_texts(BrokerConfig())
        for name in sorted(STORED_ONLY & set(texts)):
            if texts[name] != defaults[name]:
                log.warning("option %s is kept, but nothing acts on it yet", name)

    def _check_addresses(self) -> tuple[str, int] | None:
        host, _ = parse_address(self.config.listen, "listen")
        if not _is_loopback(host):
            if not self.config.insecure_listen:
                raise ConfigError(
                    f"listening on {host} lets anybody read and write without a password; "
                    "add --insecure-listen if that is meant"
                )
            log.warning("INSECURE: listening on %s without encryption or authentication", host)
        if not self.config.advertise:
            return None
        return parse_address(self.config.advertise, "advertise")

    async def _bind(self) -> None:
        host, port = parse_address(self.config.listen, "listen")
        try:
            self.client_address = await self._server.bind(host, port)
        except OSError as error:
            reason = error.strerror or str(error)
            raise NodeError(f"cannot listen on {_join(host, port)}: {reason}") from error

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        files, data_dir = self._files, self.data_dir
        files.make_directory(data_dir)
        self._lock = files.lock(f"{data_dir}/{LOCK_FILE}")
        identity = self._load_identity()
        is_clean = checkpoints.take_clean_shutdown(files, data_dir) is not None
        self._controller = Controller.open(files, data_dir, self._clock, self._random, is_clean)
        boot_id = files.boot_id()
        is_lossless = is_clean or last_run.load(files, data_dir).is_lossless(boot_id)
        last_run.save(files, data_dir, last_run.LastRun(self.config.flush, boot_id))
        await self._join_cluster(identity, is_lossless)
        self._replicas = ReplicaManager(files, loop)
        self._replicas.on_failure = self._stop_soon
        flush = cast(Literal["fsync", "os"], self.config.flush)
        self._store = PartitionStore(files, data_dir, self._clock, flush=flush, is_clean=is_clean)
        for topic in self._controller.image.topics.values():
            for partition in topic.partitions.values():
                self._serve_partition(topic, partition)
        self._controller.on_record = self._apply
        self._controller.on_failure = self._stop_soon

    def _load_identity(self) -> checkpoints.MetaProperties | None:
        """Whose directory this is; another node's is refused."""
        path = f"{self.data_dir}/{checkpoints.META_PROPERTIES}"
        identity = checkpoints.load(self._files, path, checkpoints.decode_meta_properties)
        if identity is not None and identity.node_id != self.config.node_id:
            raise NodeError(
                f"data directory {self.data_dir} belongs to node {identity.node_id}, "
                f"this is node {self.config.node_id}"
            )
        return identity

    async def _join_cluster(
        self, identity: checkpoints.MetaProperties | None, is_lossless: bool
    ) -> None:
        """Create the cluster if there is none, and register this broker with its controller."""
        controller, node_id = self._controller, self.config.node_id
        if not controller.image.cluster_id:
            cluster_id = checkpoints.encode_uuid(self._random.randbytes(16))
            await self._change(lambda image: create_cluster(cluster_id, node_id))
        if identity is None:
            directory_id = self._random.randbytes(16)
            meta = checkpoints.MetaProperties(controller.image.cluster_id, node_id, directory_id)
            path = f"{self.data_dir}/{checkpoints.META_PROPERTIES}"
            self._files.write_atomically(path, checkpoints.encode_meta_properties(meta))
        epoch = controller.end_offset
        await self._change(lambda image: register_broker(image, node_id, epoch, is_lossless))

    async def _change(self, command: Command) -> None:
        decision = await self._controller.submit(command)
        if decision.error_code:
            raise StorageError(decision.message)

    def _apply(self, record: Record) -> None:
        """A change of the cluster was committed: whatever happens here, it is what holds now."""
        try:
            self._follow(record)
        except StorageFailed as error:
            self._stop_soon(error)
        except _UNUSABLE as error:
            log.error("not served until the next start: %s: %s", record["type"], error)

    def _follow(self, record: Record) -> None:
        """Open and remove partitions as the record says."""
        image = self._controller.image
        match record["type"]:
            case "PartitionCreated":
                topic = image.topics[image.topic_names[record["topic_id"]]]
                self._serve_partition(topic, topic.partitions[record["index"]])
            case "TopicDeleted":
                keys = [key for key in self._replicas.partitions if key[0] not in image.topics]
                removed = [self._replicas.remove(*key) for key in keys]
                self._store.delete([each for each in removed if each is not None])
            case _:
                pass

    def _serve_partition(self, topic: TopicImage, partition: PartitionImage) -> None:
        identity = PartitionIdentity(
            topic.name, topic.topic_id, partition.index, partition.leader_epoch
        )
        config = TopicConfig.of(self.config, topic.configs)
        self._replicas.add(self._store.open(identity, config))

    def _checkpoint_later(self) -> None:
        interval_ms = self.config.log_flush_offset_checkpoint_interval_ms
        loop = asyncio.get_running_loop()
        self._checkpoint_timer = loop.call_later(interval_ms / 1000, self._checkpoint)

    def _checkpoint(self) -> None:
        partitions = self._replicas.partitions.values()
        try:
            self._store.checkpoint(partitions)
        except StorageFailed as error:
            self._stop_soon(error)
        except (StorageError, OSError) as error:
            log.error("checkpoints were not written, the next start will read more: %s", error)
        oldest_ms = self._clock.now_ms() - self.config.producer_id_expiration_ms
        for partition in partitions:
            partition.producers.expire(oldest_ms)
        self._checkpoint_later()


def run(config: BrokerConfig) -> int:
    """Run a node in this process until it is told to stop; returns the exit status."""
    descriptors.raise_limit()
    try:
        import uvloop
    except ImportError:
        return asyncio.run(Node(config).run())
    return uvloop.run(Node(config).run())


def _is_loopback(host: str) -> bool:
    if host in ("127.0.0.1", "localhost", "::1"):
        return True
    from ipaddress import ip_address  # Start-up is imports, and this is the rare case.

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
