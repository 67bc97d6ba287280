"""The controller of a node: its part in what the cluster decides, and its picture of what it did.

    command ──> decide ──> records ──> quorum ──> committed ──> image ──> listeners ──> answer
    (on the active controller)         (all nodes: raft, see `quorum`)  (on every node)

One controller is *active*: that of the node which leads the quorum, as soon as it has applied all
that leaders before it have committed. It decides commands one at a time, in the order in which they
came, each on the image that the ones before it left. The others follow the log, and ask it.

A lone node is a quorum of one, and active as soon as it has begun. Of a larger quorum's log, only
what is known to be committed is applied: at start what the checkpoint says, the rest when a leader
says it.

Left out: snapshots. The metadata log is kept whole.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import TYPE_CHECKING, Any

from ...protocol.errors import ErrorCode
from ...protocol.primitives import ProtocolError
from ...protocol.records import Record as LogRecord
from ..clock import WallClock
from ..log import checkpoints
from ..log.files import Files, StorageError
from ..log.recovery import Confirmed
from .decide import Decision, create_cluster
from .image import Image, Record, UnknownRecord
from .membership import CannotTakePart, ForeignDirectory, Membership
from .metadata_log import MetadataLog, is_too_large, unpack
from .quorum import Quorum
from .raft_messages import FetchRequest, Outcome, Request, Voter, VoteRequest
from .unavailable import ControllerUnavailable

if TYPE_CHECKING:
    from .peers import Peers
    from .quorum_report import QuorumReport

MAX_QUEUED_COMMANDS = 10_000
MAX_EPOCH = 2**31 - 2
"""A batch has 32 bits for its epoch, and there must be one more."""

log = logging.getLogger("minikafka.controller")

Command = Callable[[Image], Decision]
"""Decides on the applied image. `controller.end_offset`, read in it, is where its records begin."""
Listener = Callable[[Record, int], None]
"""Takes a committed record and its offset."""
Answerer = Callable[[Any, Any], Awaitable[Any]]
"""Takes a question of protocol/control and the connection it came over, None if from this node."""


class Controller:
    """See the module."""

    def __init__(
        self, me: Membership, quorum: Quorum, log: MetadataLog, clock: WallClock, random: Random
    ) -> None:
        """Use `open`."""
        self.image = Image()
        """What is committed and applied: the same object for life."""
        self.random = random
        self.listeners: list[Listener] = []
        """Called for each committed record, in order, when the image has taken it."""
        self.on_activated: list[Callable[[], None]] = []
        """Called when this node has become the active controller."""
        self.on_resigned: list[Callable[[], None]] = []
        """Called when it is that no longer."""
        self.on_disconnected: list[Callable[[Any], None]] = []
        """Called with a connection, as answerers got it, that has closed."""
        self.on_failure: Callable[[Exception], None] = _stop_loudly
        """Called when this node cannot go on: its disk failed, or its log contradicts others."""
        self.answerers: dict[type, Answerer] = {}
        """What the active controller answers, by the question's class."""
        self.on_question: Callable[[], None] = lambda: None
        """Called before a question is answered: who answers may be made as late as that."""
        self.is_active = False
        """Whether this is the controller that decides, and has applied all that others decided."""
        self.committed_offset = 0
        """Up to where the log is committed, and applied to the image."""
        self._me = me
        self._quorum = quorum
        self._log = log
        self._clock = clock
        self._high_watermark = 0
        self._applied_offset = 0
        self._applied_epoch = -1
        self._peers: Peers | None = None
        self._queue: deque[tuple[Command, asyncio.Future[Decision]]] = deque()
        self._working: asyncio.Task[None] | None = None
        self._applying: asyncio.Task[None] | None = None
        self._joining: asyncio.Task[None] | None = None
        self._pinning: dict[int, asyncio.Task[Decision]] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._failure: Exception | None = None

    @staticmethod
    def open(
        files: Files,
        data_dir: str,
        clock: WallClock,
        random: Random,
        confirmed: Confirmed,
        me: Membership | None = None,
    ) -> "Controller":
        """Open the metadata log and apply what is known to be committed.

        CorruptLog, CorruptCheckpoint and ForeignDirectory, and nothing is changed.
        """
        me = me or Membership(1)
        log = MetadataLog.open(files, data_dir, clock, confirmed)
        quorum = Quorum(Voter(me.node_id, me.directory_id), files, data_dir, log, random)
        controller = Controller(me, quorum, log, clock, random)
        controller._replay(log.end_offset if me.is_alone else confirmed.high_watermark)
        try:
            me.refuse_founders(log.founders())
        except ForeignDirectory:
            log.close()
            raise
        return controller

    async def start(self) -> None:
        """Begin to take part in the quorum; there may be no leader yet when this returns."""
        self._quorum.on_commit = self._committed
        self._quorum.on_change = self._changed
        self._quorum.on_failure = self._fail
        if self._me.join:
            self._joining = asyncio.get_running_loop().create_task(self._join())
        else:
            self._start_quorum()

    @property
    def cluster_id(self) -> str:
        """The cluster's id; empty while there is none, or this node has not heard of it."""
        return self.image.cluster_id or self._me.cluster_id

    @property
    def leader_id(self) -> int:
        """Who leads the quorum, as far as this node knows; -1 for nobody."""
        return self._quorum.leader_id

    @property
    def has_leader(self) -> bool:
        """Whether this node leads the quorum, or has just heard from who does."""
        return self._quorum.has_leader

    @property
    def epoch(self) -> int:
        """The epoch of the quorum: Raft's term."""
        return self._quorum.epoch

    @property
    def confirmed(self) -> Confirmed:
        """What the checkpoints should say: what is not committed may be cut off again."""
        return Confirmed(self.committed_offset, self.committed_offset)

    @property
    def end_offset(self) -> int:
        """The metadata log's end: a number that grows with each change of the cluster."""
        return self._log.end_offset

    def committed(self, from_offset: int) -> Iterator[tuple[int, LogRecord]]:
        """Yield (epoch, record) of what is committed now, from an offset on; see `unpack`."""
        for epoch, records in self._log.records(from_offset, self.committed_offset):
            for record in records:
                if record.offset >= from_offset:
                    yield epoch, record

    async def submit(self, command: Command) -> Decision:
        """Decide, commit and apply; the decision comes back once the listeners have its records.

        Without records: NOT_CONTROLLER where nothing has happened, REQUEST_TIMED_OUT where nobody
        knows, KAFKA_STORAGE_ERROR where there is no room. Raises StorageFailed as the node ends.
        """
        if len(self._queue) >= MAX_QUEUED_COMMANDS:
            raise RuntimeError("too many commands wait for the controller")
        answer: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._queue.append((command, answer))
        if self._working is None:
            self._working = asyncio.get_running_loop().create_task(self._work())
        return await answer

    async def ask(self, question: Any, timeout_ms: int) -> Any:
        """Have the active controller, here or elsewhere, answer a question of protocol/control.

        A Refused comes back like any other answer; raises ControllerUnavailable.
        """
        leader_id = self.leader_id
        if not self.is_active:
            if self._peers is None or leader_id not in self._peers.voters:
                raise ControllerUnavailable("no controller is known to lead")
            if leader_id == self._me.node_id:
                raise ControllerUnavailable("this controller is about to lead")
            if not self.cluster_id:
                raise ControllerUnavailable("this node has not heard of its cluster yet")
            return await self._peers.ask(leader_id, question, timeout_ms)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await self.answer(question, None)
        except TimeoutError:
            raise ControllerUnavailable(f"no answer within {timeout_ms} ms") from None

    async def answer(self, question: Any, connection: Any) -> Any:
        """Answer a question of a node; `connection` names the one over which it came."""
        # Start-up is imports.
        from ...protocol.control import Refused, VoterAddress, Voters, WhoVotes

        self.on_question()
        match question:
            case WhoVotes():
                voters = self._me.voters if self._peers is None else self._peers.voters
                addresses = (VoterAddress(each, *voters[each]) for each in sorted(voters))
                return Voters(self._me.node_id, tuple(addresses))
            case _ if self._me.takes_nobody and connection is not None:
                message = f"node {self._me.node_id} was started alone, and takes in no others"
                return Refused("CLUSTER_AUTHORIZATION_FAILED", message)
            case VoteRequest(epoch, sender) | FetchRequest(epoch, sender):
                if sender.node_id == self._me.node_id or not 0 <= epoch <= MAX_EPOCH:
                    message = f"node {sender.node_id} in epoch {epoch} cannot ask this one"
                    return Refused("INVALID_REQUEST", message)
                self._pin(sender)
                answer = await self._quorum.ask(question)
                return answer or Refused("NOT_CONTROLLER", "this node takes no part at the moment")
            case _ if not self.is_active:
                message = f"node {self._me.node_id} is not the active controller"
                return Refused("NOT_CONTROLLER", message)
            case _ if type(question) in self.answerers:
                return await self.answerers[type(question)](question, connection)
            case _:
                name = type(question).__name__
                return Refused("UNSUPPORTED_VERSION", f"this controller answers no {name}")

    def disconnected(self, connection: Any) -> None:
        """A connection over which questions came has closed."""
        for notice in self.on_disconnected:
            notice(connection)

    async def wait_until_applied(self, offset: int) -> None:
        """Return when the records below `offset` are applied, and the listeners have had them."""
        await self._until(lambda: self._applied_offset >= offset)

    async def wait_until_caught_up(self) -> None:
        """Return when all that was committed when somebody led, just now, is applied here.

        A leader that has not committed a record of its own yet may not know what is committed.
        """
        await self._until(self._has_caught_up)

    def _has_caught_up(self) -> bool:
        if self.is_active:
            return True
        known_offset = self._quorum.leader_high_watermark
        has_own_record = self._applied_epoch == self._quorum.epoch
        return has_own_record and 0 <= known_offset <= self._applied_offset

    @property
    def obstacle(self) -> str:
        """Why this node does not know what is committed; "" if nothing but time is needed."""
        peers = self._peers
        return "" if peers is None or self._has_caught_up() else peers.obstacle(self.leader_id)

    def give_up_if_foreign(self) -> None:
        """Fail if those that a node was told of are of another cluster, while it starts."""
        foreign = None if self._peers is None else self._peers.foreign_cluster
        if foreign is not None and self._failure is None and not self._has_caught_up():
            self._fail(ForeignDirectory(foreign))

    async def wait_for_cluster(self) -> str:
        """The cluster's id, as soon as this node has applied that there is one."""
        await self._until(lambda: bool(self.image.cluster_id))
        return self.image.cluster_id

    def quorum_state(self) -> "QuorumReport | None":
        """How far each node of the quorum is; None where this node does not lead it."""
        from .quorum_report import report  # Start-up is imports.

        voters = {} if self._peers is None else self._peers.voters
        return report(self._quorum, self._clock.now_ms(), voters) if self.is_active else None

    async def close(self) -> None:
        """Finish the commands at hand if that is in this node's power, and close the log."""
        if self._joining is not None:
            self._joining.cancel()
        if not self._me.is_alone:
            await self._quorum.close()
        if self._working is not None:
            await self._working
        await self._quorum.close()
        if self._applying is not None:
            await self._applying
        if self._peers is not None:
            self._peers.close()
        self._failure = ControllerUnavailable("this node is stopping")
        self._wake()
        self._log.close()

    async def _join(self) -> None:
        """Find out who the voters are, and follow them."""
        peers = self._know_peers()
        try:
            await peers.wait_for_voters()
        except CannotTakePart as error:
            self._fail(error)
        else:
            self._start_quorum()

    def _know_peers(self) -> "Peers":
        from .peers import Peers  # A lone node has none, and start-up is imports.

        self._peers = Peers(self._me, lambda: self.cluster_id, self.random)
        return self._peers

    def _start_quorum(self) -> None:
        if self._me.is_alone:
            voters, ask_node = [self._me.node_id], _ask_nobody
        else:
            peers = self._peers or self._know_peers()
            voters, ask_node = list(peers.voters), peers.ask_for_raft
        cluster_id = self._me.cluster_id or checkpoints.encode_uuid(self.random.randbytes(16))
        self._quorum.start(
            {each: self.image.voters.get(each, "") for each in voters},
            self._high_watermark,
            tuple(create_cluster(cluster_id, self._me.node_id, voters).records),
            ask_node,
        )

    async def _work(self) -> None:
        try:
            while self._queue:
                command, answer = self._queue.popleft()
                try:
                    decision = await self._carry_out(command)
                except Exception as error:  # noqa: BLE001 - it is the caller's to handle
                    _settle(answer, error)
                else:
                    _settle(answer, decision)
        finally:
            self._working = None

    async def _carry_out(self, command: Command) -> Decision:
        quorum = self._quorum
        await self._until(lambda: self.is_active or not quorum.leads)
        if not self.is_active:
            return self._not_active()
        decision = command(self.image)
        if not decision.records:
            return decision
        if is_too_large(decision.records):
            message = f"{len(decision.records)} changes are too many at once"
            return Decision([], ErrorCode.POLICY_VIOLATION, message)
        proposed = await quorum.propose(decision.records)
        match proposed.outcome:
            case Outcome.COMMITTED:
                await self.wait_until_applied(proposed.next_offset)
                return decision
            case Outcome.NOT_LEADER:
                return self._not_active()
            case Outcome.NOT_WRITTEN:
                return Decision([], ErrorCode.KAFKA_STORAGE_ERROR, str(quorum.lack))
            case Outcome.UNKNOWN:
                message = "another controller takes over, and may carry this out or not"
                return Decision([], ErrorCode.REQUEST_TIMED_OUT, message)

    def _not_active(self) -> Decision:
        if self._me.is_alone and self._quorum.lack is not None:
            return Decision([], ErrorCode.KAFKA_STORAGE_ERROR, str(self._quorum.lack))
        message = f"node {self._me.node_id} is not the active controller"
        return Decision([], ErrorCode.NOT_CONTROLLER, message)

    def _committed(self, high_watermark: int) -> None:
        self._high_watermark = high_watermark
        if self._applying is None:
            self._applying = asyncio.get_running_loop().create_task(self._apply())

    async def _apply(self) -> None:
        """Apply what is committed, and tell of it."""
        try:
            while self.committed_offset < self._high_watermark:
                batches = self._log.records(self.committed_offset, self._high_watermark)
                for epoch, records in batches:
                    await self._apply_batch(epoch, records)
        except (StorageError, ProtocolError, UnknownRecord) as error:
            self._fail(error)
        finally:
            self._applying = None

    async def _apply_batch(self, epoch: int, records: list[LogRecord]) -> None:
        changes = [(record.offset, self._apply_record(record)) for record in records]
        self.committed_offset = changes[-1][0] + 1
        for _, change in changes:
            if change["type"] == "VoterPinned":
                self._quorum.pin(change["voter_id"], change["directory_id"])
        for offset, change in changes:
            for listen in self.listeners:
                listen(change, offset)
            # A thousand partitions take seconds to make. Meanwhile others go on, and see the whole
            # change: of what is not open yet they hear NOT_LEADER_OR_FOLLOWER, and try again.
            await asyncio.sleep(0)
        self._applied_offset = self.committed_offset
        self._applied_epoch = epoch
        is_elected = changes[0][1]["type"] == "ControllerElected"
        if is_elected and self._quorum.leads and self.epoch == epoch:
            self._activate()
        self._wake()

    def _apply_record(self, record: LogRecord) -> Record:
        """Take it into the image; UnknownRecord, with its offset, for what is no change."""
        try:
            change = unpack(record)
            self.image.apply(change)
        except (ProtocolError, AttributeError, KeyError, TypeError, ValueError) as error:
            message = (
                f"the metadata log's record at offset {record.offset} cannot be applied: {error!r}"
            )
            raise UnknownRecord(message) from error
        return change

    def _replay(self, committed_offset: int) -> None:
        self.committed_offset = self._applied_offset = self._high_watermark = committed_offset
        try:
            for epoch, record in self.committed(0):
                self._apply_record(record)
                self._applied_epoch = epoch
        except ProtocolError as error:
            raise UnknownRecord(f"the metadata log cannot be read: {error}") from error

    def _activate(self) -> None:
        self.is_active = True
        self._pin(Voter(self._me.node_id, self._me.directory_id))
        for notice in self.on_activated:
            notice()

    def _changed(self) -> None:
        """There may be another leader: who waits for one looks again."""
        if self.is_active and not self._quorum.leads:
            self.is_active = False
            for notice in self.on_resigned:
                notice()
        self._wake()

    def _pin(self, voter: Voter) -> None:
        """Have it committed which disk a voter has, at the first that is heard of it."""
        peers, (voter_id, directory_id) = self._peers, voter
        is_news = voter_id not in self.image.voters and voter_id not in self._pinning
        if not self.is_active or peers is None or voter_id not in peers.voters or not is_news:
            return
        record = {"type": "VoterPinned", "voter_id": voter_id, "directory_id": directory_id}
        pinning = asyncio.get_running_loop().create_task(
            self.submit(lambda image: Decision([] if voter_id in image.voters else [record]))
        )
        self._pinning[voter_id] = pinning
        pinning.add_done_callback(lambda _: self._pinning.pop(voter_id))

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Wait for a change; raises why it will not come, if that is known."""
        while not is_so():
            if self._failure is not None:
                raise self._failure
            lack = self._quorum.lack
            if self._me.is_alone and lack is not None and not self._quorum.leads:
                raise lack
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._wake()
        self.on_failure(error)


def _settle(answer: asyncio.Future[Decision], outcome: Decision | Exception) -> None:
    """Answer, unless nobody waits any more."""
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


async def _ask_nobody(node_id: int, request: Request) -> None:
    """A lone node has no others."""


def _stop_loudly(error: Exception) -> None:
    raise error
