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
    leaving              a heartbeat, and it leads nothing: it may go           fenced
    any                  another incarnation of it is registered                fenced

A machine (see docs/architecture.md) whose one effect is `Change`: have it committed. The standing
of a broker is part of the cluster's metadata, and changes here when the record is committed
(`changed`, `registered`), as it does on every node. Sessions are known to the active controller
alone; one that takes over gives every broker a new one, for it cannot know when they were heard of.

Invariants: a broker counts by its *epoch*, the offset of its registration; the heartbeat of an
older one changes nothing. A new incarnation is not registered while the session of the old one
lasts: of two processes with one id, the second waits.
"""

from dataclasses import dataclass
from typing import Any

from ...protocol.errors import ErrorCode
from .image import Standing

CLOSED_SESSION_MS = 1000
"""How long a broker lives on after its connection has closed: a process that died is gone by then,
and one that reconnects has sent a heartbeat."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A broker says that it lives, how far it has applied the metadata log, and what it wants."""

    broker_id: int
    epoch: int
    metadata_offset: int
    wants_to_leave: bool = False


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """What the broker is now; `may_leave` when nobody will miss it."""

    error_code: ErrorCode
    is_fenced: bool = True
    may_leave: bool = False


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
        self, broker_id: int, incarnation: str, epoch: int, standing: Standing, now_ms: int
    ) -> None:
        """Begin with what the metadata say of a broker, when this controller becomes active."""
        until_ms = now_ms + self._session_timeout_ms
        self._sessions[broker_id] = _Session(incarnation, epoch, standing, until_ms)

    def check_registration(self, broker_id: int, incarnation: str, now_ms: int) -> ErrorCode:
        """Whether this incarnation of a broker may be registered."""
        session = self._sessions.get(broker_id)
        if session is None or session.incarnation == incarnation or session.until_ms <= now_ms:
            return ErrorCode.NONE
        return ErrorCode.DUPLICATE_BROKER_REGISTRATION

    def registered(self, broker_id: int, incarnation: str, epoch: int, now_ms: int) -> None:
        """A registration is committed: what was before it is over."""
        self.restore(broker_id, incarnation, epoch, Standing.FENCED, now_ms)

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
    ) -> tuple[HeartbeatAnswer, list[Change]]:
        """A broker lives. `leads`: whether it leads any partition, by the metadata."""
        session = self._sessions.get(beat.broker_id)
        if session is None:
            return HeartbeatAnswer(ErrorCode.BROKER_ID_NOT_REGISTERED), []
        if session.epoch != beat.epoch:
            return HeartbeatAnswer(ErrorCode.STALE_BROKER_EPOCH), []
        session.until_ms = now_ms + self._session_timeout_ms
        session.connection = connection
        changes = self._change(beat.broker_id, _next_standing(session, beat, leads=leads))
        is_fenced = session.standing is Standing.FENCED
        may_leave = is_fenced and beat.wants_to_leave and not leads
        return HeartbeatAnswer(ErrorCode.NONE, is_fenced, may_leave), changes

    def disconnected(self, connection: Any, now_ms: int) -> None:
        """A connection has closed. It says nothing of a broker that has another one by now."""
        for session in self._sessions.values():
            if session.connection is connection:
                session.until_ms = min(session.until_ms, now_ms + CLOSED_SESSION_MS)

    def deadline_ms(self) -> int | None:
        """When `tick` next has something to do."""
        return min(
            (each.until_ms for each in self._sessions.values() if _counts(each)), default=None
        )

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
    return session.standing is not Standing.FENCED and session.pending is None


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
