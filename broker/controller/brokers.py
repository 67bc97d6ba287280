"""What the active controller does for the brokers: it answers them, watches them, moves leaders.

    a broker asks            the controller decides                        and answers
    RegisterBroker           register_broker                               Registered
    Heartbeat                change_standing, if this one changes it       HeartbeatAnswer
    AlterPartition           alter_partition                               AlteredPartitions
    ReserveProducerIds       reserve_producer_ids                          ReservedProducerIds
    CreateOffsetsTopic       create_offsets_topic, unless it is there      Done
    AutoCreateTopics         create_topic for each that is not there       Done
    (silence)                change_standing, see liveness.py
    (five minutes)           balance

A shell around Liveness. Sessions begin when the controller becomes active and end when it resigns:
nothing runs here on a node that is not the active controller, and a question that comes to one is
refused. There is one timer for whichever session ends next and one for the balance.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ...protocol.control import (
    AlterPartition,
    AutoCreateTopics,
    CreateOffsetsTopic,
    Done,
    Heartbeat,
    Refused,
    RegisterBroker,
    Registered,
    ReservedProducerIds,
    ReserveProducerIds,
)
from ...protocol.errors import ErrorCode
from ..config import format_address
from .decide import (
    OFFSETS_TOPIC,
    PRODUCER_IDS_PER_BLOCK,
    Decision,
    NewTopic,
    create_offsets_topic,
    create_topic,
    reserve_producer_ids,
)
from .decide_brokers import change_standing, check_broker_epoch, leads, register_broker
from .decide_elections import balance
from .decide_isr import alter_partition
from .image import BrokerImage, Image, Record, Standing
from .live_config import LiveConfig
from .liveness import Change, Liveness
from .service import Command, Controller

RETRY_S = 0.5
"""Before a change of standing that could not be committed is asked for again."""

log = logging.getLogger("minikafka.controller")


class BrokerDuties:
    """The duties above; they begin by themselves when the controller becomes active."""

    def __init__(self, controller: Controller, live: LiveConfig, node_id: int) -> None:
        self._controller = controller
        self._live = live
        self._node_id = node_id
        self._liveness: Liveness | None = None
        self._fencing: asyncio.TimerHandle | None = None
        self._balancing: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        controller.answerers |= {
            RegisterBroker: self._register,
            Heartbeat: self._heartbeat,
            AlterPartition: self._alter_partition,
            ReserveProducerIds: self._reserve_producer_ids,
            CreateOffsetsTopic: self._create_offsets_topic,
            AutoCreateTopics: self._create_topics,
        }
        controller.on_activated.append(self.begin)
        controller.on_resigned.append(self.end)
        controller.on_disconnected.append(self._disconnected)
        controller.listeners.append(self._heard)
        if controller.is_active:
            self.begin()

    def begin(self) -> None:
        """This node is the active controller: every broker that is registered has a session."""
        self.end()
        self._liveness = Liveness(self._live.config.broker_session_timeout_ms)
        image = self._controller.image
        for broker_id, broker in sorted(image.brokers.items()):
            is_lost = broker_id == image.former_controller_id != self._node_id
            self._open_session(self._liveness, broker, is_lost=is_lost)
        self._watch()
        self._balance_later()

    def end(self) -> None:
        """This node is not the active controller any more, or stops."""
        self._liveness = None
        for timer in (self._fencing, self._balancing):
            if timer is not None:
                timer.cancel()
        self._fencing = self._balancing = None

    async def _register(self, question: RegisterBroker, connection: Any) -> Any:
        # This process holds the lock of its data directory: what was this broker before is dead.
        is_own = question.broker_id == self._node_id and connection is None

        def command(image: Image) -> Decision:
            if not is_own and (refused := self._refuse_registration(question)) is not None:
                return refused
            config, offset = self._live.config, self._controller.end_offset
            standing = Standing.UNFENCED if is_own else Standing.FENCED
            return register_broker(image, config, question, offset, standing)

        return await self._decided(command, Registered)

    def _refuse_registration(self, question: RegisterBroker) -> Decision | None:
        if self._liveness is None:
            return Decision([], ErrorCode.NOT_CONTROLLER)
        broker_id, incarnation = question.broker_id, question.incarnation
        error_code = self._liveness.check_registration(broker_id, incarnation, _now_ms())
        if not error_code:
            return None
        known = self._controller.image.brokers.get(broker_id)
        where = f" at {format_address(known.host, known.port)}" if known is not None else ""
        message = f"another process is broker {broker_id}{where}, and was heard of a moment ago"
        return Decision([], error_code, message)

    async def _heartbeat(self, question: Heartbeat, connection: Any) -> Any:
        liveness = self._liveness
        if liveness is None:
            return _refused(ErrorCode.NOT_CONTROLLER)
        error_code, changes = liveness.heartbeat(
            question, connection, leads=self._leads(question), now_ms=_now_ms()
        )
        if error_code:
            return _refused(error_code)
        self._watch()
        for change in changes:
            await self._commit(change)
        # While it was committed, the broker may have registered again, or another controller leads.
        if liveness is not self._liveness:
            return _refused(ErrorCode.NOT_CONTROLLER)
        error_code = check_broker_epoch(self._controller.image, question.broker_id, question.epoch)
        if error_code:
            return _refused(error_code)
        return liveness.answer(question, leads=self._leads(question))

    async def _alter_partition(self, question: AlterPartition, connection: Any) -> Any:
        del connection
        return await self._decided(
            lambda image: alter_partition(image, self._live.config, question), lambda answer: answer
        )

    async def _reserve_producer_ids(self, question: ReserveProducerIds, connection: Any) -> Any:
        del connection
        broker_id, epoch = question.broker_id, question.broker_epoch

        def command(image: Image) -> Decision:
            error_code = check_broker_epoch(image, broker_id, epoch)
            return (
                Decision([], error_code) if error_code else reserve_producer_ids(image, broker_id)
            )

        return await self._decided(
            command, lambda first: ReservedProducerIds(first, PRODUCER_IDS_PER_BLOCK)
        )

    async def _create_offsets_topic(self, question: CreateOffsetsTopic, connection: Any) -> Any:
        del question, connection

        def command(image: Image) -> Decision:
            if OFFSETS_TOPIC in image.topics:
                return Decision([])
            return create_offsets_topic(image, self._live.config, self._controller.random)

        return await self._decided(command, lambda _: self._done())

    async def _create_topics(self, question: AutoCreateTopics, connection: Any) -> Any:
        del connection
        refused: list[Refused] = []
        for name in question.names:
            answer = await self._decided(self._creating(name), lambda _: self._done())
            refused += [answer] if isinstance(answer, Refused) else []
        return refused[0] if refused else self._done()

    def _creating(self, name: str) -> Command:
        def command(image: Image) -> Decision:
            if name in image.topics:
                return Decision([])
            random = self._controller.random
            return create_topic(image, self._live.config, NewTopic(name), random)

        return command

    async def _decided(self, command: Command, answer: Callable[[Any], Any]) -> Any:
        """What the controller decides, as an answer: made of the value, or Refused."""
        decision = await self._controller.submit(command)
        if decision.error_code:
            return _refused(decision.error_code, decision.message)
        return answer(decision.value)

    def _done(self) -> Done:
        return Done(self._controller.committed_offset)

    def _leads(self, beat: Heartbeat) -> bool:
        """Whether it leads anything, which matters if it wants to leave."""
        return beat.wants_to_leave and leads(self._controller.image, beat.broker_id)

    def _heard(self, record: Record, offset: int) -> None:
        """A record is committed."""
        del offset
        if self._liveness is None:
            return
        match record["type"]:
            case "BrokerRegistered":
                broker = self._controller.image.brokers.get(record["broker_id"])
                if broker is not None and broker.epoch == record["epoch"]:
                    self._open_session(self._liveness, broker)
            case "BrokerChanged":
                standing = Standing(record["standing"])
                self._liveness.changed(Change(record["broker_id"], record["epoch"], standing))
            case "BrokerUnregistered":
                self._liveness.forget(record["broker_id"])
            case _:
                return
        self._watch()

    def _open_session(
        self, liveness: Liveness, broker: BrokerImage, *, is_lost: bool = False
    ) -> None:
        is_alone = broker.broker_id == self._node_id and not self._live.config.is_clustered
        liveness.restore(broker, _now_ms(), is_silent=is_alone, is_lost=is_lost)

    def _disconnected(self, connection: Any) -> None:
        if self._liveness is not None:
            self._liveness.disconnected(connection, _now_ms())
            self._watch()

    def _watch(self) -> None:
        """Be there when the next session ends."""
        if self._fencing is not None:
            self._fencing.cancel()
            self._fencing = None
        deadline_ms = None if self._liveness is None else self._liveness.deadline_ms()
        if deadline_ms is not None:
            loop = asyncio.get_running_loop()
            self._fencing = loop.call_at(deadline_ms / 1000, self._fence)

    def _fence(self) -> None:
        if self._liveness is None:
            return
        # The loop's clock may be ahead by a rounding: a deadline that is not there yet is kept.
        for change in self._liveness.tick(_now_ms()):
            log.info("broker %d was not heard of for too long", change.broker_id)
            self._start(self._commit(change))
        self._watch()

    async def _commit(self, change: Change) -> None:
        """Have a broker's standing changed; whatever becomes of it, Liveness is told."""
        liveness = self._liveness
        decision = await self._controller.submit(
            lambda image: change_standing(
                image, self._live.config, change.broker_id, change.epoch, change.standing
            )
        )
        if liveness is not None and decision.error_code:
            await asyncio.sleep(RETRY_S)
            liveness.failed(change)
            self._watch()

    def _balance_later(self) -> None:
        delay_s = self._live.config.leader_imbalance_check_interval_seconds
        self._balancing = asyncio.get_running_loop().call_later(delay_s, self._balance)

    def _balance(self) -> None:
        if self._live.config.auto_leader_rebalance_enable:
            self._start(self._balance_now())
        self._balance_later()

    async def _balance_now(self) -> None:
        await self._controller.submit(lambda image: balance(image, self._live.config))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("what nobody waits for was not decided: %r", error)


def _now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1000)


def _refused(error_code: ErrorCode, message: str | None = None) -> Refused:
    return Refused(error_code.name, message or error_code.message)
