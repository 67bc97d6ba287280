"""DeleteGroups (key 42): forget groups without members, and all that they committed (KIP-229).

v0  names
v1  no new bytes: the broker answers before it throttles (KIP-219)
v2  flexible (KIP-482)
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, STRING


@message(key=42, versions="0-2", flexible="2+")
class DeleteGroupsRequest:
    """Forget these."""

    groups_names: list[str] = field(array(STRING))


@struct
class DeleteGroupsResponseResult:
    """What became of one of them."""

    group_id: str = field(STRING)
    error_code: int = field(INT16)


@message(key=42, versions="0-2", flexible="2+")
class DeleteGroupsResponse:
    """An error or none for each."""

    throttle_time_ms: int = field(INT32, default=0, ignorable=True)
    results: list[DeleteGroupsResponseResult] = field(array(DeleteGroupsResponseResult))
