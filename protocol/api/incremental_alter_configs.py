"""IncrementalAlterConfigs (key 44): change some options of a resource, leave the others alone.

An admin client asks. Per option there is an operation: SET a value, DELETE it (back to the
default), APPEND to a list or SUBTRACT from it. Each resource succeeds or fails alone.

    v0   resources with operations (KIP-339)
    v1   flexible (KIP-482)
"""

from enum import IntEnum

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, INT8, INT16, INT32, STRING


class AlterConfigOperation(IntEnum):
    """What happens to one option; the number is `config_operation` on the wire."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


@struct
class AlterableConfig:
    """One option and what to do with it; DELETE needs no value."""

    name: str = field(STRING)
    config_operation: int = field(INT8)
    value: str | None = field(STRING, nullable="0+")


@struct
class AlterConfigsResource:
    """One resource and the changes to it."""

    resource_type: int = field(INT8)
    resource_name: str = field(STRING)
    configs: list[AlterableConfig] = field(array(AlterableConfig))


@message(key=44, versions="0-1", flexible="1+")
class IncrementalAlterConfigsRequest:
    """Change these options, or with `validate_only` say whether you would."""

    resources: list[AlterConfigsResource] = field(array(AlterConfigsResource))
    validate_only: bool = field(BOOLEAN)


@struct
class AlterConfigsResourceResponse:
    """What became of one resource."""

    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable="0+")
    resource_type: int = field(INT8)
    resource_name: str = field(STRING)


@message(key=44, versions="0-1", flexible="1+")
class IncrementalAlterConfigsResponse:
    """One answer per resource named."""

    throttle_time_ms: int = field(INT32, default=0)
    responses: list[AlterConfigsResourceResponse] = field(array(AlterConfigsResourceResponse))
