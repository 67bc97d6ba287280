"""AlterConfigs (key 33): replace all options of a resource by these.

An admin client asks. An option that is set and not named goes back to its default, so that two
clients which change different options undo each other; IncrementalAlterConfigs came for that
reason, and Kafka's own clients call this one deprecated. Each resource succeeds or fails alone.

    v0   resources with all their options (KIP-133)
    v1   no new bytes: the broker answers before it throttles (KIP-219)
    v2   flexible (KIP-482)
"""

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, INT8, INT16, INT32, STRING


@struct
class AlterableConfig:
    """One option; a null value is refused: what shall have its default is not named."""

    name: str = field(STRING)
    value: str | None = field(STRING, nullable="0+")


@struct
class AlterConfigsResource:
    """One resource and everything that shall be set for it."""

    resource_type: int = field(INT8)
    resource_name: str = field(STRING)
    configs: list[AlterableConfig] = field(array(AlterableConfig))


@message(key=33, versions="0-2", flexible="2+")
class AlterConfigsRequest:
    """Set these options and no others, or with `validate_only` say whether you would."""

    resources: list[AlterConfigsResource] = field(array(AlterConfigsResource))
    validate_only: bool = field(BOOLEAN)


@struct
class AlterConfigsResourceResponse:
    """What became of one resource."""

    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable="0+")
    resource_type: int = field(INT8)
    resource_name: str = field(STRING)


@message(key=33, versions="0-2", flexible="2+")
class AlterConfigsResponse:
    """One answer per resource named."""

    throttle_time_ms: int = field(INT32, default=0)
    responses: list[AlterConfigsResourceResponse] = field(array(AlterConfigsResourceResponse))
