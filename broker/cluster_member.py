"""What a node does because it is not alone: it registers, follows, and asks for its ISRs.

    session     registers this broker and says that it lives; while it has no lease, because no
                controller answers, nothing is led here
    fetcher     fetches what this node follows
    changes     asks the controller for the ISRs that its leaders want
    timers      the lease is looked at ten times a session, beside before each append and read;
                followers that fall behind are looked for twice in `replica.lag.time.max.ms`

A lone node has none of it, and does not read this file.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from random import Random

from ..protocol.control import AlteredPartitions, AlterPartition, Refused, RegisterBroker
from .clock import WallClock
from .config import Address, BrokerConfig
from .controller.service import Controller, ControllerUnavailable
from .controller.session import BrokerIdTaken, BrokerSession
from .hosting import Hosting
from .replica.fetcher import FetchOptions, ReplicaFetcher
from .replica.isr_changes import IsrChanges
from .replica.manager import ReplicaManager

INCARNATION_BYTES = 16
LEASE_LOOKS = 10
"""How often a session's time is divided to see in time that the lease is over."""

log = logging.getLogger("minikafka.node")


class ClusterMember:
    """See the module."""

    def __init__(
        self,
        config: BrokerConfig,
        controller: Controller,
        replicas: ReplicaManager,
        hosting: Hosting,
        clock: WallClock,
        random: Random,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._config = config
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

    async def wait_until_unfenced(self) -> None:
        """Return when this broker may lead: it has caught up, and the controller knows."""
        while self._session is not None and self._session.is_fenced:
            await asyncio.sleep(self._config.broker_heartbeat_interval_ms / 1000 / LEASE_LOOKS)

    async def leave(self) -> None:
        """Let others lead what is led here, if there are any."""
        if self._session is not None and not await self._session.leave():
            log.warning("nobody has taken over in time what this node leads")

    async def stop(self) -> None:
        """Do nothing of all that any more."""
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
            self._replicas,
            self._clock,
            self._loop,
        )
        self._hosting.fetch_with(self._fetcher)

    async def _ask(self, question: AlterPartition) -> AlteredPartitions | Refused | None:
        try:
            return await self._controller.ask(question, self._config.broker_session_timeout_ms)
        except ControllerUnavailable:
            return None

    def _check_lease(self, session: BrokerSession) -> None:
        """Lead only while there is a lease."""
        may_lead = session.has_lease(self._replicas.now_ms()) and not session.is_fenced
        if may_lead == self._replicas.is_suspended:
            if not may_lead:
                log.warning("no controller answers: nothing is led here until one does")
            self._replicas.suspend(is_suspended=not may_lead)

    def _look_at_lease(self, session: BrokerSession) -> None:
        self._check_lease(session)
        pause_s = self._config.broker_session_timeout_ms / 1000 / LEASE_LOOKS
        self._timers["lease"] = self._loop.call_later(pause_s, self._look_at_lease, session)

    def _look_for_laggards(self) -> None:
        self._replicas.shrink_isrs()
        pause_s = self._config.replica_lag_time_max_ms / 1000 / 2
        self._timers["laggards"] = self._loop.call_later(pause_s, self._look_for_laggards)
