"""Which brokers live, as the active controller sees it: sessions, fencing, leaving. PURE.

    fenced      registered, and not trusted: it leads nothing and is in sync with nothing
    unfenced    it has told us that it lives, and that it knows of its own registration
    leaving     it wants to stop: what it leads is moved away; it goes when it leads nothing

    from                 by                                                     to
    (nothing)            a registration is committed                            fenced
    fenced               a heartbeat: caught up, and does not want to leave     unfenced
    unfenced             a heartbeat that wants to leave                        leaving
    unfenced, leaving    no heartbeat for 6 s (`broker.session.timeout.ms`)     fenced
                         its connection closed 1 s ago, and no heartbeat since  fenced
                         it was the controller until 1 s ago, and none since    fenced
    leaving              a heartbeat, and it leads nothing: it may go           fenced
    any                  another incarnation of it is registered                fenced

A machine (see docs/architecture.md) whose one effect is `Change`: have it committed. The standing
of a broker is part of the cluster's metadata, and changes here when the record is committed
(`restore`, `changed`, `forget`), as it does on every node. Sessions are known to the active
controller alone; one that takes over gives every broker a new one, for it cannot know when they
were heard of. The controller before it was lost already, or it would not have taken over: it has
as long as one whose connection has closed.

Invariants: a broker counts by its *epoch*, the offset of its registration; the heartbeat of an
older one changes nothing. A new incarnation is not registered while the old one is heard of: of two
processes with one id, the second waits. An old one that this controller has never heard of counts
for two seconds, in which it would have found its new controller.
"""

from dataclasses import dataclass
from typing import Any

from ...protocol.control import Heartbeat, HeartbeatAnswer
from ...protocol.errors import ErrorCode
from .image import BrokerImage, Standing

CLOSED_SESSION_MS = 1000
"""How long a broker lives on after its connection has closed: a process that died is gone by then,
and one that reconnects has sent a heartbeat."""
UNHEARD_SESSION_MS = 2000
"""How long a session of which nothing was heard yet keeps another process from registering."""
FOREVER_MS = 1 << 62


@dataclass(frozen=True, slots=True)
class Change:
    """Have it committed that this broker, in this epoch, is that from now on."""

    broker_id: int
    epoch: int
    standing: Standing


@dataclass(slots=True)
class _Session:
    incarnation: str
    epoch: int
    standing: Standing
    until_ms: int
    claimed_until_ms: int
    """Another incarnation has to wait until then."""
    connection: Any = None
    """The one over which it was heard of last."""
    pending: Standing | None = None
    """What is on its way to being committed."""


class Liveness:
    """The sessions of all registered brokers."""

    def __init__(self, session_timeout_ms: int) -> None:
        self._session_timeout_ms = session_timeout_ms
        self._sessions: dict[int, _Session] = {}

    def standing(self, broker_id: int) -> Standing:
        """What a registered broker is."""
        return self._sessions[broker_id].standing

    def restore(
        self, broker: BrokerImage, now_ms: int, *, is_silent: bool = False, is_lost: bool = False
    ) -> None:
        """Begin a session: a registration is committed, or this controller becomes active.

        Who `is_silent` sends no heartbeats, and is not expected to: a node that is alone, whose
        place nobody takes. Who `is_lost` was the controller before.
        """
        timeout_ms = CLOSED_SESSION_MS if is_lost else self._session_timeout_ms
        self._sessions[broker.broker_id] = _Session(
            broker.incarnation,
            broker.epoch,
            broker.standing,
            FOREVER_MS if is_silent else now_ms + timeout_ms,
            FOREVER_MS if is_silent else now_ms + min(timeout_ms, UNHEARD_SESSION_MS),
        )

    def forget(self, broker_id: int) -> None:
        """A broker is registered no longer."""
        self._sessions.pop(broker_id, None)

    def check_registration(self, broker_id: int, incarnation: str, now_ms: int) -> ErrorCode:
        """Whether this incarnation of a broker may be registered."""
        session = self._sessions.get(broker_id)
        if session is None or session.incarnation == incarnation:
            return ErrorCode.NONE
        if session.claimed_until_ms <= now_ms:
            return ErrorCode.NONE
        return ErrorCode.DUPLICATE_BROKER_REGISTRATION

    def changed(self, change: Change) -> None:
        """A change is committed."""
        session = self._sessions.get(change.broker_id)
        if session is not None and session.epoch == change.epoch:
            session.standing, session.pending = change.standing, None

    def failed(self, change: Change) -> None:
        """A change could not be committed: it is asked for again when there is still reason to."""
        session = self._sessions.get(change.broker_id)
        if session is not None and session.epoch == change.epoch:
            session.pending = None

    def heartbeat(
        self, beat: Heartbeat, connection: Any, *, leads: bool, now_ms: int
    ) -> tuple[ErrorCode, list[Change]]:
        """A broker lives. `leads`: whether it leads any partition, by the metadata.

        `metadata_offset` of the heartbeat is the last one that it has applied.
        """
        session = self._sessions.get(beat.broker_id)
        if session is None:
            return ErrorCode.BROKER_ID_NOT_REGISTERED, []
        if session.epoch != beat.epoch:
            return ErrorCode.STALE_BROKER_EPOCH, []
        session.until_ms = session.claimed_until_ms = now_ms + self._session_timeout_ms
        session.connection = connection
        changes = self._change(beat.broker_id, _next_standing(session, beat, leads=leads))
        return ErrorCode.NONE, changes

    def answer(self, beat: Heartbeat, *, leads: bool) -> HeartbeatAnswer:
        """What to tell a broker of itself, whose heartbeat was taken."""
        is_fenced = self._sessions[beat.broker_id].standing is Standing.FENCED
        return HeartbeatAnswer(is_fenced, is_fenced and beat.wants_to_leave and not leads)

    def disconnected(self, connection: Any, now_ms: int) -> None:
        """A connection has closed. It says nothing of a broker that has another one by now."""
        for session in self._sessions.values():
            if session.connection is connection:
                session.until_ms = min(session.until_ms, now_ms + CLOSED_SESSION_MS)
                session.claimed_until_ms = session.until_ms

    def deadline_ms(self) -> int | None:
        """When `tick` next has something to do."""
        deadlines = (each.until_ms for each in self._sessions.values() if _counts(each))
        return min(deadlines, default=None)

    def tick(self, now_ms: int) -> list[Change]:
        """Fence who has been silent for too long."""
        late = [
            broker_id
            for broker_id, session in sorted(self._sessions.items())
            if _counts(session) and session.until_ms <= now_ms
        ]
        return [change for each in late for change in self._change(each, Standing.FENCED)]

    def _change(self, broker_id: int, standing: Standing) -> list[Change]:
        """Ask for a change, unless it is so already or on its way."""
        session = self._sessions[broker_id]
        if session.pending is not None or session.standing is standing:
            return []
        session.pending = standing
        return [Change(broker_id, session.epoch, standing)]


def _counts(session: _Session) -> bool:
    """Whether its silence will matter."""
    is_awaited = session.until_ms < FOREVER_MS and session.pending is None
    return is_awaited and session.standing is not Standing.FENCED


def _next_standing(session: _Session, beat: Heartbeat, *, leads: bool) -> Standing:
    """What a broker should be, after this heartbeat."""
    match session.standing:
        case Standing.FENCED:
            is_caught_up = beat.metadata_offset >= session.epoch
            goes_on = is_caught_up and not beat.wants_to_leave
            return Standing.UNFENCED if goes_on else Standing.FENCED
        case Standing.UNFENCED:
            return Standing.LEAVING if beat.wants_to_leave else Standing.UNFENCED
        case Standing.LEAVING:
            return Standing.LEAVING if leads else Standing.FENCED
