"""FindCoordinator (key 10): which broker looks after this group, transaction or share group?

A client that is about to join a group or to begin a transaction asks any broker, and again whenever
the answer has become wrong. The coordinator is the leader of one partition of an internal topic.

    v0  one group per request
    v1  `key_type`, `throttle_time_ms`, `error_message`: transactions have coordinators too (KIP-98)
    v2  no new bytes: the broker answers before it throttles (KIP-219)
    v3  flexible (KIP-482)
    v4  many keys in one request, one `Coordinator` each in the answer (KIP-699)
    v5  no new bytes: the client understands TRANSACTION_ABORTABLE (KIP-890)
    v6  no new bytes: `key_type` 2, share groups (KIP-932)
"""

from ..codec import array, field, message, struct
from ..primitives import INT8, INT16, INT32, STRING
from ..schema import ZERO

GROUP = 0
TRANSACTION = 1
SHARE_GROUP = 2


@message(key=10, versions="0-6", flexible="3+")
class FindCoordinatorRequest:
    """Who coordinates these? `key` up to v3, `coordinator_keys` from v4 on."""

    key: str = field(STRING, "0-3", default="")
    key_type: int = field(INT8, "1+", default=GROUP)
    coordinator_keys: list[str] = field(array(STRING), "4+", default=ZERO)


@struct
class Coordinator:
    """The broker for one key, or the error that hides it."""

    key: str = field(STRING, "4+")
    node_id: int = field(INT32, "4+", default=-1)
    host: str = field(STRING, "4+", default="")
    port: int = field(INT32, "4+", default=-1)
    error_code: int = field(INT16, "4+", default=0)
    error_message: str | None = field(STRING, "4+", nullable="4+", default=None, ignorable=True)


@message(key=10, versions="0-6", flexible="3+")
class FindCoordinatorResponse:
    """One broker up to v3; a list of them from v4 on."""

    throttle_time_ms: int = field(INT32, "1+", default=0, ignorable=True)
    error_code: int = field(INT16, "0-3", default=0)
    error_message: str | None = field(STRING, "1-3", nullable="1-3", default=None, ignorable=True)
    node_id: int = field(INT32, "0-3", default=0)
    host: str = field(STRING, "0-3", default="")
    port: int = field(INT32, "0-3", default=0)
    coordinators: list[Coordinator] = field(array(Coordinator), "4+", default=ZERO)
