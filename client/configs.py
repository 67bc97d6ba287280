"""The options of topics and brokers, as an administrator describes and changes them. PURE.

ConfigResource   a topic or a broker; the broker "" stands for the default of all brokers
ConfigEntry      one of its options: the value, and where that comes from
ConfigChange     what is to happen to one option: SET, DELETE, APPEND, SUBTRACT
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..protocol.api import alter_configs, incremental_alter_configs
from ..protocol.api.alter_configs import AlterConfigsRequest, AlterConfigsResponse
from ..protocol.api.describe_configs import (
    ConfigResourceType,
    ConfigSource,
    ConfigType,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
)
from ..protocol.api.incremental_alter_configs import (
    AlterConfigOperation,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from .outcome import Outcome

__all__ = [
    "AlterConfigOperation",
    "ConfigChange",
    "ConfigEntry",
    "ConfigResource",
    "ConfigResourceType",
    "ConfigSource",
    "ConfigSynonym",
    "ConfigType",
]

_ASKED_THEMSELVES: Final = (ConfigResourceType.BROKER, ConfigResourceType.BROKER_LOGGER)


class ConfigResource(NamedTuple):
    """Something that has options; `type` is a ConfigResourceType, or a number added later."""

    type: int
    name: str

    @staticmethod
    def topic(name: str) -> "ConfigResource":
        """A topic."""
        return ConfigResource(ConfigResourceType.TOPIC, name)

    @staticmethod
    def broker(node_id: int) -> "ConfigResource":
        """One broker."""
        return ConfigResource(ConfigResourceType.BROKER, str(node_id))

    @staticmethod
    def all_brokers() -> "ConfigResource":
        """What holds for every broker that says nothing else itself."""
        return ConfigResource(ConfigResourceType.BROKER, "")

    @property
    def node_id(self) -> int | None:
        """The one node that can answer for this resource; None where any can."""
        alone = self.type in _ASKED_THEMSELVES and self.name.isdecimal()
        return int(self.name) if alone else None

    def __str__(self) -> str:
        """As an error names it: topic 'orders'."""
        return f"{resource_type_name(self.type)} {self.name!r}"


class ConfigSynonym(NamedTuple):
    """One of the places that could give an option's value."""

    name: str
    value: str | None
    source: int


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """One option of a resource; the value of a sensitive one is None.

    `source` is a ConfigSource and `type` a ConfigType, or a number that Kafka added later.
    """

    name: str
    value: str | None
    source: int
    type: int
    is_read_only: bool
    is_sensitive: bool
    synonyms: tuple[ConfigSynonym, ...] = ()
    documentation: str | None = None

    @property
    def is_default(self) -> bool:
        """Whether nobody has set it anywhere."""
        return self.source == ConfigSource.DEFAULT_CONFIG


class ConfigChange(NamedTuple):
    """What is to happen to one option; DELETE, back to the default, needs no value."""

    name: str
    value: str | None = None
    operation: AlterConfigOperation = AlterConfigOperation.SET


def resource_type_name(number: int) -> str:
    """A type in lower case: "topic", "broker"."""
    try:
        return ConfigResourceType(number).name.lower().replace("_", " ")
    except ValueError:
        return f"resource of type {number}"


def by_node(resources: Iterable[ConfigResource]) -> dict[int | None, list[ConfigResource]]:
    """The resources by the node that has to be asked about them; None for any node."""
    nodes: dict[int | None, list[ConfigResource]] = {}
    for resource in resources:
        if not isinstance(resource, ConfigResource):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"options belong to a ConfigResource, not to {resource!r}")
        nodes.setdefault(resource.node_id, []).append(resource)
    return nodes


def describe_request(
    resources: Sequence[ConfigResource], include_synonyms: bool, include_documentation: bool
) -> DescribeConfigsRequest:
    """All options of these resources."""
    return DescribeConfigsRequest(
        resources=[
            DescribeConfigsResource(
                resource_type=each.type, resource_name=each.name, configuration_keys=None
            )
            for each in resources
        ],
        include_synonyms=include_synonyms,
        include_documentation=include_documentation,
    )


def described(
    response: DescribeConfigsResponse,
) -> tuple[dict[ConfigResource, dict[str, ConfigEntry]], list[Outcome]]:
    """The options of each resource in an answer, by name; and what failed."""
    found: dict[ConfigResource, dict[str, ConfigEntry]] = {}
    outcomes: list[Outcome] = []
    for result in response.results:
        resource = ConfigResource(result.resource_type, result.resource_name)
        outcomes.append(Outcome(str(resource), result.error_code, result.error_message))
        found[resource] = {each.name: _entry(each) for each in result.configs}
    return found, outcomes


def alter_request(
    configs: Mapping[ConfigResource, Mapping[str, str | None]], validate_only: bool
) -> AlterConfigsRequest:
    """Replace all that is set for these resources."""
    return AlterConfigsRequest(
        resources=[
            alter_configs.AlterConfigsResource(
                resource_type=resource.type,
                resource_name=resource.name,
                configs=[
                    alter_configs.AlterableConfig(name=name, value=value)
                    for name, value in values.items()
                ],
            )
            for resource, values in configs.items()
        ],
        validate_only=validate_only,
    )


def incremental_alter_request(
    changes: Mapping[ConfigResource, Sequence[ConfigChange]], validate_only: bool
) -> IncrementalAlterConfigsRequest:
    """Change some options of these resources."""
    return IncrementalAlterConfigsRequest(
        resources=[
            incremental_alter_configs.AlterConfigsResource(
                resource_type=resource.type,
                resource_name=resource.name,
                configs=[
                    incremental_alter_configs.AlterableConfig(
                        name=name, config_operation=operation, value=value
                    )
                    for name, value, operation in each
                ],
            )
            for resource, each in changes.items()
        ],
        validate_only=validate_only,
    )


def outcomes_of(response: AlterConfigsResponse | IncrementalAlterConfigsResponse) -> list[Outcome]:
    """What became of each resource."""
    return [
        Outcome(
            str(ConfigResource(each.resource_type, each.resource_name)),
            each.error_code,
            each.error_message,
        )
        for each in response.responses
    ]


def _entry(config: DescribeConfigsResourceResult) -> ConfigEntry:
    return ConfigEntry(
        name=config.name,
        value=config.value,
        source=config.config_source,
        type=config.config_type,
        is_read_only=config.read_only,
        is_sensitive=config.is_sensitive,
        synonyms=tuple(
            ConfigSynonym(each.name, each.value, each.source) for each in config.synonyms
        ),
        documentation=config.documentation or None,
    )
