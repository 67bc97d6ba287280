"""Fetch: slices of the log as they lie on disk, or a parked request until there are some.

A request is answered at once if that is worth it (see `fetch_reading`), if there is no partition to
wait for, or if it does not want to wait. Otherwise it is parked under its session, until what has
moved in the session is worth it or `max_wait_ms` has passed, and then read.

    epoch 0 or -1   every partition is named, read and answered, in the order of the client
    another         a session goes on (KIP-227): what has moved in it is read, and news answered

To read, both are the same: a request without a session is a session that ends with its answer.
A session has one request at a time: one that comes by another connection ends the one that waits.
In Kafka that one gets INVALID_FETCH_SESSION_EPOCH instead.
"""

from ...protocol.api.fetch import (
    CurrentLeader,
    FetchRequest,
    FetchResponse,
    FetchResponseTopic,
    NodeEndpoint,
)
from ...protocol.errors import ErrorCode
from ..replica.fetch_sessions import FINAL_EPOCH, INITIAL_EPOCH, NO_SESSION, FetchSession
from ..replica.manager import ReplicaManager
from .context import Context, Exchange
from .fetch_reading import Reading, follower_of
from .leader_hints import LeaderHints

MAX_WAIT_MS = 3_600_000
FIRST_VERSION_WITH_TOPIC_IDS = 13
FIRST_VERSION_WITH_ENDPOINTS = 16
_LED_ELSEWHERE = frozenset(
    map(int, (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH))
)


class Fetch:
    """A fetch request under way, parked or not."""

    __slots__ = ("_context", "_exchange", "_is_full", "_reading", "_request", "_session")

    def __init__(
        self, exchange: Exchange, request: FetchRequest, context: Context, session: FetchSession
    ) -> None:
        self._exchange = exchange
        self._request = request
        self._context = context
        self._session = session
        self._is_full = _is_full(request)
        self._reading = self._read()

    @property
    def may_wait(self) -> bool:
        """Whether there is something to wait for."""
        wants_to = self._request.max_wait_ms > 0 and len(self._session) > 0
        return wants_to and not self._reading.is_enough

    def park(self) -> None:
        """Wait under the session."""
        replicas, session = self._context.replicas, self._session
        session.is_waiting = True
        number = replicas.park(self, [session], min(self._request.max_wait_ms, MAX_WAIT_MS))
        self._exchange.when_lost(lambda: _give_up(replicas, session, number))

    def is_ready(self) -> bool:
        """Weigh what has moved; who waits for a single byte takes whatever has moved for it."""
        moved = self._session.take_unweighed()
        if self._request.min_bytes <= 1:
            return True
        for partition in moved:
            self._reading.weigh(partition)
        return self._reading.is_enough

    def finish(self) -> None:
        """Answer with what there is now."""
        self._session.is_waiting = False
        self._reading = self._read()
        self._exchange.answer(self.respond())

    def respond(self) -> FetchResponse:
        """The answer, all of it or what is news; the client is taken to know it from then on."""
        session, replicas = self._session, self._context.replicas
        wants_session = self._is_full and self._request.session_epoch == INITIAL_EPOCH
        if wants_session and not session.is_followers:
            self._context.fetch_sessions.keep(session, replicas.now_ms())
        topics: list[FetchResponseTopic] = []
        has_errors = False
        for asking, answer in self._reading.answers:
            if not session.tell(asking, answer) and not self._is_full:
                continue
            has_errors |= answer.error_code != 0
            name, topic_id = asking.topic, asking.topic_id
            if not topics or topics[-1].topic != name or topics[-1].topic_id != topic_id:
                topics.append(FetchResponseTopic(topic=name, topic_id=topic_id, partitions=[]))
            topics[-1].partitions.append(answer)
        if session.id == NO_SESSION:
            session.close()
        response = FetchResponse(session_id=session.id, responses=topics)
        if has_errors and self._exchange.version >= FIRST_VERSION_WITH_ENDPOINTS:
            self._hint(response)
        return response

    def _hint(self, response: FetchResponse) -> None:
        """Say who leads what is not led here."""
        hints = LeaderHints(self._exchange, self._context)
        for topic in response.responses:
            for answer in topic.partitions:
                if answer.error_code in _LED_ELSEWHERE:
                    index = answer.partition_index
                    leader_id, epoch = hints.leader_of(topic.topic, topic.topic_id, index)
                    answer.current_leader = CurrentLeader(leader_id=leader_id, leader_epoch=epoch)
        response.node_endpoints = [
            NodeEndpoint(node_id=each.node_id, host=each.host, port=each.port)
            for each in hints.endpoints()
        ]

    def _read(self) -> Reading:
        reading = Reading(self._request, self._context)
        self._session.take_unweighed()
        for partition in self._session.moved:
            reading.read(partition)
            if reading.is_exhausted and not self._is_full:
                break  # The others are first the next time.
        return reading


def handle(exchange: Exchange, request: FetchRequest, context: Context) -> FetchResponse | None:
    """Answer now, or park."""
    session = _open_session(request, exchange.version >= FIRST_VERSION_WITH_TOPIC_IDS, context)
    if isinstance(session, ErrorCode):
        return FetchResponse(error_code=session, responses=[])
    fetch = Fetch(exchange, request, context, session)
    if not fetch.may_wait:
        return fetch.respond()
    fetch.park()
    return None


def _open_session(
    request: FetchRequest, uses_topic_ids: bool, context: Context
) -> FetchSession | ErrorCode:
    """A new session for a full fetch, else the one that the request goes on with."""
    sessions = context.fetch_sessions
    if _is_full(request):
        sessions.close(request.session_id)
        session = FetchSession(uses_topic_ids, follower_of(request) is not None)
        session.update(request.topics)
        return session
    found = sessions.find(request.session_id, request.session_epoch, uses_topic_ids)
    if isinstance(found, FetchSession):
        context.replicas.finish(found)
        now_ms = context.replicas.now_ms()
        sessions.update(found, request.topics, request.forgotten_topics_data, now_ms)
    return found


def _give_up(replicas: ReplicaManager, session: FetchSession, number: int) -> None:
    """The client of a parked request is gone; its session may outlive it."""
    if replicas.cancel(number):
        session.is_waiting = False
        if session.id == NO_SESSION:
            session.close()


def _is_full(request: FetchRequest) -> bool:
    return request.session_epoch in (INITIAL_EPOCH, FINAL_EPOCH)
