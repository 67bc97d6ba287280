"""DescribeConfigs (key 32): the options of topics, brokers and other resources.

An admin client asks any broker for topics, and a broker itself for that broker's own options. The
answer names for each option its value and its *source*, and on request its *synonyms*: everything
that could have given the value, the one in force first.

    v1   the oldest served: `config_source` and `synonyms` (KIP-226)
    v2   no new bytes: the broker answers before it throttles (KIP-219)
    v3   `config_type`, `include_documentation` and `documentation` (KIP-569)
    v4   flexible (KIP-482)

Version 0, which said `is_default` in place of the source, is gone in Kafka 4 (KIP-896).
"""

from enum import IntEnum

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, INT8, INT16, INT32, STRING
from ..schema import ZERO


class ConfigResourceType(IntEnum):
    """What an option belongs to; the number is `resource_type` on the wire."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class ConfigSource(IntEnum):
    """Where an option's value comes from, the narrowest first."""

    DYNAMIC_TOPIC_CONFIG = 1
    DYNAMIC_BROKER_CONFIG = 2
    DYNAMIC_DEFAULT_BROKER_CONFIG = 3
    STATIC_BROKER_CONFIG = 4
    DEFAULT_CONFIG = 5
    DYNAMIC_BROKER_LOGGER_CONFIG = 6
    DYNAMIC_CLIENT_METRICS_CONFIG = 7
    DYNAMIC_GROUP_CONFIG = 8


class ConfigType(IntEnum):
    """How an option's text is to be read (KIP-569)."""

    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


@struct
class DescribeConfigsResource:
    """One resource, and the options asked for; null asks for all of them."""

    resource_type: int = field(INT8)
    resource_name: str = field(STRING)
    configuration_keys: list[str] | None = field(array(STRING), nullable="0+", default=ZERO)


@message(key=32, versions="1-4", flexible="4+")
class DescribeConfigsRequest:
    """What are these resources configured to? An admin client."""

    resources: list[DescribeConfigsResource] = field(array(DescribeConfigsResource))
    include_synonyms: bool = field(BOOLEAN, "1+", default=False)
    include_documentation: bool = field(BOOLEAN, "3+", default=False)


@struct
class DescribeConfigsSynonym:
    """One place that could give the value: an option's name, its value there, its source."""

    name: str = field(STRING, "1+")
    value: str | None = field(STRING, "1+", nullable="0+")
    source: int = field(INT8, "1+")


@struct
class DescribeConfigsResourceResult:
    """One option; the value of a sensitive one is null."""

    name: str = field(STRING)
    value: str | None = field(STRING, nullable="0+")
    read_only: bool = field(BOOLEAN)
    config_source: int = field(INT8, "1+", default=-1, ignorable=True)
    is_sensitive: bool = field(BOOLEAN)
    synonyms: list[DescribeConfigsSynonym] = field(
        array(DescribeConfigsSynonym), "1+", default=ZERO, ignorable=True
    )
    config_type: int = field(INT8, "3+", default=0, ignorable=True)
    documentation: str | None = field(STRING, "3+", nullable="0+", default="", ignorable=True)


@struct
class DescribeConfigsResult:
    """The options of one resource, or why there are none."""

    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable="0+")
    resource_type: int = field(INT8)
    resource_name: str = field(STRING)
    configs: list[DescribeConfigsResourceResult] = field(array(DescribeConfigsResourceResult))


@message(key=32, versions="1-4", flexible="4+")
class DescribeConfigsResponse:
    """One answer per resource named."""

    throttle_time_ms: int = field(INT32, default=0)
    results: list[DescribeConfigsResult] = field(array(DescribeConfigsResult))
