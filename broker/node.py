"""One node: builds the parts, starts and stops them in order; the one place that knows all.

    start   bind both addresses          so that a busy port changes nothing on disk
            lock the data directory      so that a second node changes nothing either
            checkpoints                  what must be in the logs
            metadata log -> image        who are we, which topics are there; is it our cluster?
            clean marker                 deleted before any partition is opened
            partitions                   opened, recovered if the last stop was not clean
            register                     as one that may have lost something, or not: now we know
            serve

    stop    others lead                  what was led here, if there are others
            no new connections, all that is written flushed, waiting requests answered,
            logs closed, checkpoints, clean marker

In a cluster the control plane is open from the start, since the voters have to agree on a leader
before anybody knows what there is; partitions are opened when all that is committed is applied. So
a start waits for a majority of the voters, and says so. One that is refused has changed nothing.

A disk that fails ends the node at once: no answer leaves any more, there is no clean marker, and
the exit status is 1.
"""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from contextlib import suppress
from random import Random, SystemRandom
from typing import TYPE_CHECKING, cast

from . import descriptors
from .addresses import (
    advertised_address,
    client_address,
    control_address,
    refuse_impossible_cluster,
    refuse_strangers,
    told_control_host,
)
from .clock import WallClock
from .config import STORED_ONLY, BrokerConfig, format_address
from .control.context import ControlContext
from .control.server import ControlServer
from .controller.decide_brokers import Registration, register_broker
from .controller.image import Standing, UnknownRecord
from .controller.live_config import LiveConfig
from .controller.membership import CannotTakePart, ForeignDirectory, Membership
from .controller.metadata_log import METADATA_LOG
from .controller.producer_ids import ProducerIds
from .controller.service import Controller
from .handlers.context import Context
from .hosting import Hosting
from .identity import Identity
from .log import checkpoints, last_run, renewal
from .log.files import File, Files, StorageError, StorageFailed
from .log.log import FlushMode
from .log.offset_checkpoints import OffsetCheckpoints
from .log.recovery import Confirmed
from .log.scan import CorruptLog
from .options import options_set
from .replica.fetch_sessions import FetchSessions
from .replica.housekeeping import Housekeeping
from .replica.manager import ReplicaManager
from .replica.store import PartitionStore
from .server import Server

if TYPE_CHECKING:
    from .cluster_member import ClusterMember
    from .controller.brokers import BrokerDuties
    from .controller.greeting import ClusterSecret
    from .group.coordinator import GroupCoordinator

LOCK_FILE = ".lock"
_DAMAGED = (CorruptLog, checkpoints.CorruptCheckpoint, UnknownRecord)
_UNUSABLE = (StorageError, ForeignDirectory, OSError, *_DAMAGED)
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
        self.control_address = ("", 0)
        self._files = files or Files()
        self._clock = clock or WallClock()
        self._random = random or SystemRandom()
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Future[Exception | None]
        self._checkpointing: asyncio.Task[None] | None = None
        self._lock: File | None = None
        self._identity: Identity
        self._secret: ClusterSecret | None = None
        self._is_clean = False
        self._server: Server
        self._control: ControlServer
        self._member: ClusterMember | None = None
        """What a lone node has not."""
        self._replicas: ReplicaManager
        self._controller: Controller
        self._duties: BrokerDuties | None = None
        self._live: LiveConfig
        self._store: PartitionStore
        self._hosting: Hosting
        self._offset_checkpoints: OffsetCheckpoints
        self._housekeeping: Housekeeping

    async def start(self) -> None:
        """Start to serve; raises ConfigError or NodeError. What is refused has changed no file."""
        self._loop = loop = asyncio.get_running_loop()
        self._stopping = loop.create_future()
        for name in sorted(STORED_ONLY.intersection(options_set(self.config))):
            log.warning("option %s is kept, but nothing acts on it yet", name)
        self._server, self._control = Server(self.config, loop), ControlServer(loop)
        refuse_impossible_cluster(self.config)
        refuse_strangers(self.config)
        advertised_address(self.config)  # For its errors.
        self._secret = self._read_secret()
        try:
            await self._unless_failed(self._serve())
        except BaseException as error:
            if isinstance(error, StorageFailed) and self._lock is not None:
                self._promise_nothing()
            await self._give_up()
            if isinstance(error, _UNUSABLE):
                raise NodeError(f"data directory {self.data_dir}: {error}") from error
            if isinstance(error, CannotTakePart):
                raise NodeError(str(error)) from error
            raise

    async def _unless_failed(self, work: Coroutine[None, None, None]) -> None:
        """Do it, unless the node fails meanwhile: what waits for others would not hear of it."""
        working = self._loop.create_task(work)
        try:
            await asyncio.wait([working, self._stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            working.cancel()
            await asyncio.wait([working])
        if working.cancelled() and self._stopping.done():
            failure = self._stopping.result()
            is_told = isinstance(failure, CannotTakePart)
            raise failure if is_told else NodeError(f"data directory {self.data_dir}: {failure}")
        working.result()

    async def _serve(self) -> None:
        await self._bind()
        await self._open()
        context = self._context()
        if self.config.is_clustered:
            await self._take_part(context)
        await self._open_partitions()
        self._checkpointing = self._loop.create_task(self._checkpoint_rounds())
        await self._server.serve(context)
        if self._member is None:
            await self._control.serve(self._control_context())
        else:
            await self._member.finish_start()
        self._housekeeping.start()

    async def stop(self) -> None:
        """Stop cleanly: everything acknowledged or written is on disk, and the marker says so."""
        if self._member is not None:
            await self._member.leave()
        if self._checkpointing is not None:
            self._checkpointing.cancel()
            await asyncio.wait([self._checkpointing])
        await self._server.stop_reading()
        if self._member is not None:
            await self._member.stop()
        await self._control.stop()
        await self._housekeeping.stop()
        if self._hosting.groups is not None:
            self._hosting.groups.resign()
        await self._replicas.flush_all()
        self._replicas.stop()
        self._server.stop()
        self._end_duties()
        await self._controller.close()
        for partition in self._replicas.partitions.values():
            self._store.close(partition)
        self._offset_checkpoints.save_now(self._checkpoint_rows(), self._replicas.unserved)
        marker = checkpoints.encode_clean_shutdown(self._controller.end_offset)
        self._files.write_atomically(f"{self.data_dir}/{checkpoints.CLEAN_SHUTDOWN}", marker)
        if self._lock is not None:
            self._lock.close()

    async def run(self) -> int:
        """Start, say so on stdout, serve until SIGTERM, SIGINT or a failure; the exit status."""
        if not await self._start_or_stop():
            return 0
        print(
            f"minikafka node {self.config.node_id} ready: "
            f"clients {format_address(*self.client_address)}, "
            f"controller {format_address(*self.control_address)}, data {self.data_dir}",
            flush=True,
        )
        failure = await self._stopping
        if failure is not None:
            cause = "the disk failed, " if isinstance(failure, StorageFailed) else ""
            log.critical("%sthe node stops at once: %s", cause, failure)
            return 1
        try:
            await self.stop()
        except StorageError as error:
            log.error("this is no clean stop, the next start reads more: %s", error)
            return 1
        return 0

    async def _start_or_stop(self) -> bool:
        """Start; False if told to stop before that is done, as it may wait for other nodes."""
        loop = asyncio.get_running_loop()
        starting = loop.create_task(self.start())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_soon, starting)
        try:
            await starting
        except asyncio.CancelledError:
            return False
        return True

    def _stop_soon(self, starting: "asyncio.Task[None]") -> None:
        if not starting.done():
            starting.cancel()
        elif not self._stopping.done():
            self._stopping.set_result(None)

    async def _give_up(self) -> None:
        """What was begun of a start ends, with nothing more written."""
        await self._server.stop_reading()
        if self._checkpointing is not None:  # It had begun to serve.
            self._checkpointing.cancel()
            await asyncio.wait([self._checkpointing])
            await self._housekeeping.stop()
            if self._hosting.groups is not None:
                self._hosting.groups.resign()
            self._replicas.stop()
            self._server.abort()
        if self._member is not None:
            await self._member.stop()
            self._end_duties()
            await self._controller.close()
        self._control.close()
        if self._lock is not None:
            self._lock.close()

    def _fail(self, failure: Exception) -> None:
        """The disk failed, or this node contradicts others: answer nobody any more, and stop."""
        if not self._stopping.done():
            self._server.abort()
            self._control.close()
            if isinstance(failure, StorageFailed):
                self._promise_nothing()
            self._stopping.set_result(failure)

    def _promise_nothing(self) -> None:
        """The disk failed: what the next start reads may not be on it."""
        with suppress(StorageError):
            last_run.forget(self._files, self.data_dir)

    async def _bind(self) -> None:
        """Reserve both addresses; NodeError if one cannot be had."""
        clients, control = client_address(self.config), control_address(self.config)
        self.client_address = await _listen(self._server, clients, "clients")
        self.control_address = await _listen(
            self._control, control, "the control plane, see --controller-listen"
        )

    async def _open(self) -> None:
        """Lock the directory, load what it says of the cluster, and make the parts."""
        files, data_dir = self._files, self.data_dir
        files.make_directory(data_dir)
        self._lock = files.lock(f"{data_dir}/{LOCK_FILE}")
        self._identity = Identity(files, data_dir, self.config.node_id)
        self._is_clean = checkpoints.is_clean_shutdown(files, data_dir)
        self._offset_checkpoints = OffsetCheckpoints(files, data_dir)
        if not self._is_clean and not last_run.has_said(files, data_dir):
            renewal.renew(files, data_dir, self._offset_checkpoints)
        self._controller = Controller.open(
            files,
            data_dir,
            self._clock,
            self._random,
            self._offset_checkpoints.find(METADATA_LOG),
            self._membership(),
        )
        self._controller.on_failure = self._fail
        self._replicas = ReplicaManager(files, self._loop)
        self._replicas.on_failure = self._fail
        self._live = LiveConfig(self.config, self._controller.image)
        for complaint in self._live.complaints():
            log.warning("an option of the metadata log does not count: %s", complaint)
        self._controller.on_question = self._begin_duties
        self._store = PartitionStore(
            files,
            data_dir,
            self._clock,
            self._offset_checkpoints,
            flush=cast(FlushMode, self.config.flush),
            is_clean=self._is_clean,
            max_lag_ms=self.config.replica_lag_time_max_ms,
        )
        self._housekeeping = Housekeeping(
            lambda: self._live.config, files, self._replicas, self._store, self._clock
        )
        self._hosting = Hosting(
            self.config.node_id,
            self._controller.image,
            self._live,
            self._store,
            self._replicas,
            self._new_groups,
            self._fail,
        )

    def _membership(self) -> Membership:
        config, identity = self.config, self._identity
        if not config.is_clustered:
            return Membership(config.node_id, cluster_id=identity.cluster_id, secret=self._secret)
        # Who votes is a node with its disk, so the disk needs a name before the first vote.
        return Membership(
            config.node_id,
            identity.name_disk(self._random),
            identity.cluster_id,
            config.voter_addresses,
            tuple(config.join_addresses),
            self._secret,
        )

    def _read_secret(self) -> "ClusterSecret | None":
        if not self.config.cluster_secret_file:
            return None
        from .secret_file import read_secret  # Start-up is imports, and few nodes have one.

        return read_secret(self.config.cluster_secret_file)

    def _control_context(self) -> ControlContext:
        return ControlContext(self._controller, self._replicas, self._secret)

    def _context(self) -> Context:
        return Context(
            self._live,
            self._controller,
            ProducerIds(self._controller, self.config.node_id),
            self._replicas,
            self._store,
            self._housekeeping,
            FetchSessions(self.config.max_incremental_fetch_session_cache_slots, self._random),
            self._hosting.start_groups,
            self._clock,
            advertised_address(self.config, self.client_address[1]),
            (told_control_host(self.config), self.control_address[1]),
        )

    async def _take_part(self, context: Context) -> None:
        """Be one of several: return when all that they have agreed on is applied."""
        # A lone node has none of this, and start-up is imports.
        from ..protocol.control import Forward
        from .cluster_member import ClusterMember
        from .handlers.forwarding import answer_forwarded

        self._begin_duties()
        self._member = ClusterMember(
            self._live,
            self._controller,
            self._replicas,
            self._hosting,
            self._clock,
            self._random,
            self._loop,
        )
        self._controller.answerers[Forward] = lambda question, _: answer_forwarded(
            question, context
        )
        await self._control.serve(self._control_context())
        self._member.watch_start()
        await self._controller.start()
        await self._controller.wait_until_caught_up()
        self._identity.join(await self._controller.wait_for_cluster(), self._random)

    async def _open_partitions(self) -> None:
        """Open what this node has of the cluster, and register with its controller."""
        files, data_dir = self._files, self.data_dir
        checkpoints.take_clean_shutdown(files, data_dir)
        if self._member is not None:
            # By the image of long ago this node may lead; by that of now, others do.
            self._replicas.suspend(is_suspended=True)
        self._hosting.open_all()
        self._controller.listeners.append(lambda record, _: self._hosting.apply(record))
        boot_id = files.boot_id()
        # Only now, for opening a partition may have set records aside.
        is_lossless = self._is_clean or last_run.load(files, data_dir).is_lossless(boot_id)
        await self._register(is_lossless and not self._hosting.has_damage)
        last_run.save(files, data_dir, last_run.LastRun(self.config.flush, boot_id))
        await self._offset_checkpoints.save(self._checkpoint_rows(), self._replicas.unserved)
        if self._stopping.done():
            raise NodeError(f"data directory {data_dir}: {self._stopping.result()}")

    async def _register(self, is_lossless: bool) -> None:
        """Have it committed that this broker begins a life."""
        if self._member is not None:
            clients = advertised_address(self.config, self.client_address[1])
            control = told_control_host(self.config) or self.control_address[0]
            await self._member.start(
                clients or self.client_address,
                (control, self.control_address[1]),
                is_lossless=is_lossless,
                on_replaced=self._fail,
            )
            return
        controller, node_id = self._controller, self.config.node_id
        await controller.start()
        self._identity.join(await controller.wait_for_cluster(), self._random)
        registration = Registration(node_id, is_lossless)
        decision = await controller.submit(
            lambda image: register_broker(
                image, self._live.config, registration, controller.end_offset, Standing.UNFENCED
            )
        )
        if decision.error_code:
            raise StorageError(decision.message)

    def _begin_duties(self) -> None:
        """Answer brokers and watch them; a lone node begins when it first asks itself."""
        from .controller.brokers import BrokerDuties  # Start-up is imports.

        if self._duties is None:
            self._duties = BrokerDuties(self._controller, self._live, self.config.node_id)

    def _end_duties(self) -> None:
        if self._duties is not None:
            self._duties.end()

    def _new_groups(self) -> "GroupCoordinator":
        from .group.coordinator import GroupCoordinator, options_of  # Start-up is imports.

        options = options_of(self.config)
        return GroupCoordinator(self._replicas, self._clock, self._random, options, self._loop)

    async def _checkpoint_rounds(self) -> None:
        interval_s = self.config.log_flush_offset_checkpoint_interval_ms / 1000
        while True:
            await asyncio.sleep(interval_s)
            await self._checkpoint()

    async def _checkpoint(self) -> None:
        try:
            self._hosting.try_again()
            await self._offset_checkpoints.save(self._checkpoint_rows(), self._replicas.unserved)
        except StorageFailed as error:
            self._fail(error)
        except StorageError as error:
            log.error("checkpoints were not written, the next start will read more: %s", error)
        oldest_ms = self._clock.now_ms() - self._live.config.producer_id_expiration_ms
        for partition in self._replicas.partitions.values():
            partition.producers.expire(oldest_ms)

    def _checkpoint_rows(self) -> dict[tuple[str, int], Confirmed]:
        partitions = self._replicas.partitions.items()
        rows = {name: partition.confirmed for name, partition in partitions}
        return {METADATA_LOG: self._controller.confirmed, **rows}


def run(config: BrokerConfig) -> int:
    """Run a node in this process until it is told to stop; returns the exit status."""
    descriptors.raise_limit()
    try:
        import uvloop
    except ImportError:
        return asyncio.run(Node(config).run())
    return uvloop.run(Node(config).run())


async def _listen(
    server: Server | ControlServer, address: tuple[str, int], purpose: str
) -> tuple[str, int]:
    """Bind a server to an address, and return the one it got."""
    try:
        return await server.bind(*address)
    except OSError as error:
        where, reason = format_address(*address), error.strerror or str(error)
        raise NodeError(f"cannot listen on {where} for {purpose}: {reason}") from error
