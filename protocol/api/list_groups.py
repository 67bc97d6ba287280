"""ListGroups (key 16): which groups does this broker coordinate?

v0  all of them
v1  `throttle_time_ms` (KIP-124)
v2  no new bytes: the broker answers before it throttles (KIP-219)
v3  flexible (KIP-482)
v4  filter by state, and the state in the answer (KIP-518)
v5  filter by type, and the type in the answer (KIP-848)
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, STRING
from ..schema import ZERO


@message(key=16, versions="0-5", flexible="3+")
class ListGroupsRequest:
    """Name them; an empty filter lets everything pass."""

    states_filter: list[str] = field(array(STRING), "4+", default=ZERO)
    types_filter: list[str] = field(array(STRING), "5+", default=ZERO)


@struct
class ListGroupsResponseGroup:
    """One group."""

    group_id: str = field(STRING)
    protocol_type: str = field(STRING)
    group_state: str = field(STRING, "4+", default="", ignorable=True)
    group_type: str = field(STRING, "5+", default="", ignorable=True)


@message(key=16, versions="0-5", flexible="3+")
class ListGroupsResponse:
    """The groups of this broker; a client asks all of them."""

    throttle_time_ms: int = field(INT32, "1+", default=0, ignorable=True)
    error_code: int = field(INT16)
    groups: list[ListGroupsResponseGroup] = field(array(ListGroupsResponseGroup))
