"""What a node does because it is not alone: it registers, follows, and asks for its ISRs.

    session     registers this broker and says that it lives; while it has no lease, because no
                controller answers, nothing is led here
    fetcher     fetches what this node follows
    changes     asks the controller for the ISRs that its leaders want
    timers      the lease is looked at ten times a session, and before each append and read;
                followers that fall behind are looked for twice in `replica.lag.time.max.ms`
    patience    a start takes as long as there is no quorum, and says every few seconds why
    chronicle   the log tells who leads, who came and who went, from when this node has caught up

A lone node has none of it, and does not read this file.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from random import Random

from ..protocol.control import AlteredPartitions, AlterPartition, Refused, RegisterBroker
from .clock import WallClock
from .config import Address
from .controller import chronicle
from .controller.decide_brokers import leads
from .controller.image import NOBODY, Record
from .controller.live_config import LiveConfig
from .controller.service import Controller, ControllerUnavailable
from .controller.session import BrokerIdTaken, BrokerSession
from .hosting import Hosting
from .replica.fetcher import FetchOptions, ReplicaFetcher
from .replica.isr_changes import IsrChanges
from .replica.manager import ReplicaManager

INCARNATION_BYTES = 16
LEASE_LOOKS = 10
"""How often a session's time is divided to see in time that the lease is over."""
PATIENCE_S = 3.0
"""Between two lines that say what a start waits for."""
LOOK_S = 0.2

log = logging.getLogger("minikafka.node")


class ClusterMember:
    """See the module."""

    def __init__(
        self,
        live: LiveConfig,
        controller: Controller,
        replicas: ReplicaManager,
        hosting: Hosting,
        clock: WallClock,
        random: Random,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._live = live
        self._config = live.config
        self._controller = controller
        self._replicas = replicas
        self._hosting = hosting
        self._clock = clock
        self._random = random
        self._loop = loop
        self._session: BrokerSession | None = None
        self._fetcher: ReplicaFetcher | None = None
        self._changes: IsrChanges | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._watching: asyncio.Task[None] | None = None

    def watch_start(self) -> None:
        """Say from now on what is waited for, until the start is finished or this stops."""
        self._watching = self._loop.create_task(self._watch())

    async def finish_start(self) -> None:
        """Return when this broker leads what it is to lead: it has caught up, and has a lease."""
        session = self._session
        while session is not None and not self._may_lead(session):
            await asyncio.sleep(self._config.broker_heartbeat_interval_ms / 1000 / LEASE_LOOKS)
        if session is not None:
            self._look_at_lease(session)
        self._watching = await _cancelled(self._watching)

    async def _watch(self) -> None:
        began_s = told_s = self._loop.time()
        while True:
            await asyncio.sleep(LOOK_S)
            self._controller.give_up_if_foreign()
            now_s = self._loop.time()
            if now_s >= told_s + PATIENCE_S:
                told_s = now_s
                node_id, waited_s = self._config.node_id, now_s - began_s
                log.warning("node %d has waited for %.0f s: %s", node_id, waited_s, self._lack())

    def _lack(self) -> str:
        """What a start waits for."""
        if obstacle := self._controller.obstacle:
            return obstacle
        leader_id = self._controller.leader_id
        if leader_id == NOBODY:
            return "no controller is elected yet"
        if self._session is None:
            return f"it has not read all yet that the controller, node {leader_id}, has committed"
        is_registered = self._session.epoch >= 0
        what = "unfenced" if is_registered else "registered"
        return f"the controller, node {leader_id}, has not {what} this broker yet"

    async def start(
        self,
        clients: Address,
        control: Address,
        *,
        is_lossless: bool,
        on_replaced: Callable[[BrokerIdTaken], None],
    ) -> None:
        """Register, which takes as long as there is no controller; raises BrokerIdTaken.

        `clients` and `control` are the addresses that others are told.
        """
        config, replicas = self._config, self._replicas
        incarnation = self._random.randbytes(INCARNATION_BYTES).hex()
        registration = RegisterBroker(
            config.node_id, incarnation, *clients, *control, is_lossless=is_lossless
        )
        self._controller.listeners.append(self._tell)
        self._session = session = BrokerSession(self._controller, config, registration)
        session.on_replaced = on_replaced
        self._changes = IsrChanges(
            config.node_id, lambda: session.epoch, self._ask, replicas, self._loop
        )
        replicas.on_isr_proposal = self._changes.propose
        await session.register()
        self._follow(session)
        replicas.check_lease = partial(self._check_lease, session)
        self._look_at_lease(session)
        self._look_for_laggards()

    async def leave(self) -> None:
        """Let others lead what is led here, if there are any."""
        if self._session is None or await self._session.leave():
            return
        if leads(self._controller.image, self._config.node_id):
            log.warning("nobody has taken over in time what this node leads")

    async def stop(self) -> None:
        """Do nothing of all that any more."""
        self._watching = await _cancelled(self._watching)
        for timer in self._timers.values():
            timer.cancel()
        for part in (self._fetcher, self._changes, self._session):
            if part is not None:
                await part.stop()
        self._hosting.fetcher = None

    def _follow(self, session: BrokerSession) -> None:
        config = self._config
        options = FetchOptions(
            config.node_id,
            config.replica_fetch_wait_max_ms,
            config.replica_fetch_max_bytes,
            config.replica_fetch_response_max_bytes,
            config.replica_fetch_backoff_ms,
        )
        self._fetcher = ReplicaFetcher(
            options,
            self._controller.image.brokers,
            config.routes,
            lambda: session.epoch,
            lambda: self._live.config.follower_replication_throttled_rate,
            self._replicas,
            self._clock,
            self._loop,
        )
        self._hosting.fetch_with(self._fetcher)

    def _tell(self, record: Record, _: int) -> None:
        controller, node_id = self._controller, self._config.node_id
        is_controller = controller.is_active
        told = chronicle.sentence(record, controller.image, node_id, is_controller=is_controller)
        if told is not None:
            log.info("%s", told)

    async def _ask(self, question: AlterPartition) -> AlteredPartitions | Refused | None:
        try:
            return await self._controller.ask(question, self._config.broker_session_timeout_ms)
        except ControllerUnavailable:
            return None

    def _may_lead(self, session: BrokerSession) -> bool:
        return session.has_lease(self._replicas.now_ms()) and not session.is_fenced

    def _check_lease(self, session: BrokerSession) -> None:
        """Lead only while there is a lease."""
        may_lead = self._may_lead(session)
        if may_lead == self._replicas.is_suspended:
            if not may_lead:
                log.warning("no controller answers: nothing is led here until one does")
            self._replicas.suspend(is_suspended=not may_lead)

    def _look_at_lease(self, session: BrokerSession) -> None:
        self._check_lease(session)
        pause_s = self._config.broker_session_timeout_ms / 1000 / LEASE_LOOKS
        if (timer := self._timers.get("lease")) is not None:
            timer.cancel()
        self._timers["lease"] = self._loop.call_later(pause_s, self._look_at_lease, session)

    def _look_for_laggards(self) -> None:
        self._replicas.shrink_isrs()
        pause_s = self._config.replica_lag_time_max_ms / 1000 / 2
        self._timers["laggards"] = self._loop.call_later(pause_s, self._look_for_laggards)


async def _cancelled(task: "asyncio.Task[None] | None") -> None:
    """End a task, if there is one."""
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
