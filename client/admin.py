"""The administrator: topics, partitions, records, options, disks and groups of a cluster.

    questions         how it is asked: a question again until it is answered, a change once
    topic_changes     topics created, enlarged and deleted
    elections         leaders of partitions elected
    reassignments     partitions moved to other brokers
    quorum            the controllers described, and brokers forgotten
    producer_states   the producers that the leaders remember
    configs           options described and changed
    record_deletion   records deleted, by the leaders of their partitions
    log_dirs          what lies on the brokers' disks
    groups            consumer groups listed, described and deleted
    group_offsets     what they have committed altered and deleted, and committed_offsets read

A call about several topics, resources or groups tries all of them and raises the error of the first
that failed, naming every one that did; the others are done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import TracebackType

from ..protocol.api.alter_configs import AlterConfigsResponse
from ..protocol.api.describe_configs import DescribeConfigsResponse
from ..protocol.api.describe_log_dirs import DescribeLogDirsRequest, DescribeLogDirsResponse
from ..protocol.api.incremental_alter_configs import IncrementalAlterConfigsResponse
from ..protocol.api.list_config_resources import (
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)
from ..protocol.api.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from ..transport.connection import Connection
from . import (
    configs,
    elections,
    group_offsets,
    groups,
    producer_states,
    questions,
    quorum,
    reassignments,
    record_deletion,
    topic_changes,
)
from .committed_offsets import OffsetAndMetadata, fetch_committed
from .configs import ConfigChange, ConfigEntry, ConfigResource
from .coordinator import Coordinator
from .elections import ElectionType
from .errors import ClientNotRunning
from .groups import GroupDescription, GroupListing, GroupMember
from .java_names import options_of
from .keywords import suggest_keywords
from .log_dirs import LogDirInfo, log_dirs_of
from .metadata import BrokerAddress, PartitionInfo, TopicInfo, TopicPartition, brokers_of, topic_of
from .network import ANY_NODE, Network
from .new_topic import NewPartitions, NewTopic
from .offsets import OffsetAndTimestamp, list_offsets
from .outcome import Outcome, raise_first
from .producer_states import ProducerState
from .quorum import QuorumInfo, QuorumReplica
from .reassignments import PartitionReassignment
from .settings import NetworkSettings, parse_servers
from .topic_changes import topic_outcome

__all__ = [
    "AdminClient",
    "BrokerAddress",
    "ClusterDescription",
    "ConfigChange",
    "ConfigEntry",
    "ConfigResource",
    "ElectionType",
    "GroupDescription",
    "GroupListing",
    "GroupMember",
    "LogDirInfo",
    "NewPartitions",
    "NewTopic",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "PartitionInfo",
    "PartitionReassignment",
    "ProducerState",
    "QuorumInfo",
    "QuorumReplica",
    "TopicInfo",
]


@dataclass(frozen=True, slots=True)
class ClusterDescription:
    """Who belongs to the cluster; `controller_id` is -1 where nobody is known."""

    cluster_id: str | None
    controller_id: int
    brokers: tuple[BrokerAddress, ...]


class AdminClient:
    """Asks a cluster about itself and changes it."""

    @suggest_keywords
    def __init__(
        self,
        *,
        bootstrap_servers: str | list[str] = "localhost:9092",
        client_id: str = "minikafka",
        request_timeout_ms: int = 30_000,
        retry_backoff_ms: int = 100,
        metadata_max_age_ms: int = 300_000,
        random: Random | None = None,
    ) -> None:
        """Check the options; nothing is opened before start(). Raises ValueError or TypeError."""
        self._random = random or Random()
        self._timeout_ms = request_timeout_ms
        self._settings = NetworkSettings(
            bootstrap_servers=parse_servers(bootstrap_servers),
            client_id=client_id,
            request_timeout_ms=request_timeout_ms,
            retry_backoff_ms=retry_backoff_ms,
            metadata_max_age_ms=metadata_max_age_ms,
            allow_auto_create_topics=False,
        )
        self._network: Network | None = None
        self._not_running = "has not been started: use `async with` or await start()"

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> "AdminClient":
        """An admin client with options by their Java names, as strings or typed; see java_names.

        Raises ValueError for an option that is unknown or not to be had here.
        """
        return cls(**options_of(cls, config))

    async def start(self) -> "AdminClient":
        """Find the cluster; raises CannotConnect or KafkaTimeout within request_timeout_ms."""
        if self._network is None:
            network = Network(self._settings, self._random)
            await network.start()
            self._network = network
        return self

    async def close(self) -> None:
        """Close the connections."""
        network, self._network = self._network, None
        self._not_running = "is closed: make a new one"
        if network is not None:
            await network.close()

    async def __aenter__(self) -> "AdminClient":
        """Start."""
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()

    async def create_topics(
        self,
        new_topics: Sequence[NewTopic],
        *,
        timeout_ms: int | None = None,
        validate_only: bool = False,
    ) -> None:
        """Create topics, or with `validate_only` only find out whether that would work."""
        outcomes = await topic_changes.create_topics(
            self._require_running(), new_topics, self._or_default(timeout_ms), validate_only
        )
        raise_first(outcomes)

    async def create_partitions(
        self,
        topics: Mapping[str, NewPartitions | int],
        *,
        timeout_ms: int | None = None,
        validate_only: bool = False,
    ) -> None:
        """Give topics more partitions: the number is what each is to have in the end."""
        outcomes = await topic_changes.create_partitions(
            self._require_running(), topics, self._or_default(timeout_ms), validate_only
        )
        raise_first(outcomes)

    async def delete_topics(self, names: Sequence[str], *, timeout_ms: int | None = None) -> None:
        """Delete topics with all their records."""
        network, timeout_ms = self._require_running(), self._or_default(timeout_ms)
        raise_first(await topic_changes.delete_topics(network, _listed(names), timeout_ms))

    async def delete_records(
        self, offsets: Mapping[TopicPartition, int], *, timeout_ms: int | None = None
    ) -> dict[TopicPartition, int]:
        """Delete the records below an offset of each partition, -1 for all of them (KIP-107).

        Returns where each partition begins now. OFFSET_OUT_OF_RANGE for an offset behind the high
        watermark; other partitions may have been shortened then.
        """
        network = self._require_running()
        offsets = {TopicPartition(*each): offset for each, offset in offsets.items()}
        return await record_deletion.delete_records(network, offsets, self._or_default(timeout_ms))

    async def elect_leaders(
        self,
        election_type: int,
        partitions: Sequence[TopicPartition] | None = None,
        *,
        timeout_ms: int | None = None,
    ) -> list[TopicPartition]:
        """Elect leaders for these partitions, or for all: PREFERRED or UNCLEAN (KIP-460).

        Returns those that got another leader. An unclean election takes a replica that is not in
        sync where no other is there, and loses what only the others have.
        """
        network, timeout_ms = self._require_running(), self._or_default(timeout_ms)
        return await elections.elect_leaders(network, election_type, partitions, timeout_ms)

    async def alter_partition_reassignments(
        self,
        targets: Mapping[TopicPartition, Sequence[int] | None],
        *,
        allow_replication_factor_change: bool = True,
        timeout_ms: int | None = None,
    ) -> None:
        """Begin to move partitions to these brokers, the preferred leader first (KIP-455).

        None gives up what has begun. list_partition_reassignments tells what still goes on.
        """
        network, timeout_ms = self._require_running(), self._or_default(timeout_ms)
        raise_first(
            await reassignments.alter_reassignments(
                network, targets, allow_replication_factor_change, timeout_ms
            )
        )

    async def list_partition_reassignments(
        self, partitions: Sequence[TopicPartition] | None = None
    ) -> dict[TopicPartition, PartitionReassignment]:
        """Those of these partitions, or of all, that are on their way to other brokers."""
        network = self._require_running()
        return await reassignments.list_reassignments(network, partitions, self._timeout_ms)

    async def describe_quorum(self) -> QuorumInfo:
        """Who leads the controllers, and how far each voter and observer is (KIP-836)."""
        return await quorum.describe_quorum(self._require_running(), self._timeout_ms)

    async def unregister_broker(self, broker_id: int) -> None:
        """Forget a broker that will not come back; one that is alive registers again."""
        network = self._require_running()
        raise_first(await quorum.unregister_broker(network, broker_id, self._timeout_ms))

    async def describe_producers(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, tuple[ProducerState, ...]]:
        """The producers that each partition's leader remembers (KIP-664)."""
        network = self._require_running()
        partitions = [TopicPartition(*each) for each in partitions]
        return await producer_states.describe_producers(network, partitions, self._timeout_ms)

    async def list_offsets(
        self, times: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp]:
        """The first offset at or after each time, in ms since 1970; -1 where no record is so late.

        -2 is the beginning of a partition, and -1 its end (offsets.EARLIEST and LATEST).
        """
        return await list_offsets(self._require_running(), times, self._timeout_ms)

    async def list_topics(self, *, include_internal: bool = False) -> list[str]:
        """The names of all topics, in order."""
        response = await self._ask_metadata(None)
        return sorted(
            topic.name
            for topic in response.topics
            if topic.name is not None and (include_internal or not topic.is_internal)
        )

    async def describe_topics(self, names: Sequence[str] | None = None) -> list[TopicInfo]:
        """These topics, or all of them, in order of name; raises the error of one not there."""
        response = await self._ask_metadata(names)
        raise_first(
            topic_outcome(topic.name or "", topic.error_code, None) for topic in response.topics
        )
        return sorted((topic_of(topic) for topic in response.topics), key=lambda each: each.name)

    async def describe_cluster(self) -> ClusterDescription:
        """The cluster's id, its controller and its brokers in order of id."""
        response = await self._ask_metadata([])
        brokers = brokers_of(response)
        return ClusterDescription(
            response.cluster_id,
            response.controller_id,
            tuple(brokers[node_id] for node_id in sorted(brokers)),
        )

    async def describe_configs(
        self,
        resources: Sequence[ConfigResource],
        *,
        include_synonyms: bool = False,
        include_documentation: bool = False,
    ) -> dict[ConfigResource, dict[str, ConfigEntry]]:
        """Every option of these resources by name; a broker is asked itself about its own."""
        network = self._require_running()
        found: dict[ConfigResource, dict[str, ConfigEntry]] = {}
        outcomes: list[Outcome] = []
        for node_id, those in configs.by_node(resources).items():
            request = configs.describe_request(those, include_synonyms, include_documentation)
            response = await questions.ask(
                network,
                request,
                DescribeConfigsResponse,
                self._timeout_ms,
                ANY_NODE if node_id is None else node_id,
            )
            part, part_outcomes = configs.described(response)
            found |= part
            outcomes += part_outcomes
        raise_first(outcomes)
        return found

    async def alter_configs(
        self,
        values: Mapping[ConfigResource, Mapping[str, str | None]],
        *,
        validate_only: bool = False,
    ) -> None:
        """Set these options of each resource, and set back all others that it has.

        Two programs that change different options undo each other's change: use
        incremental_alter_configs where the cluster has it (Kafka 2.3).
        """
        outcomes: list[Outcome] = []
        for node_id, those in configs.by_node(values).items():
            part = {resource: values[resource] for resource in those}
            request = configs.alter_request(part, validate_only)
            outcomes += await self._alter(request, AlterConfigsResponse, node_id)
        raise_first(outcomes)

    async def incremental_alter_configs(
        self,
        changes: Mapping[ConfigResource, Sequence[ConfigChange]],
        *,
        validate_only: bool = False,
    ) -> None:
        """Change some options of each resource and leave the others alone (KIP-339)."""
        outcomes: list[Outcome] = []
        for node_id, those in configs.by_node(changes).items():
            part = {resource: changes[resource] for resource in those}
            request = configs.incremental_alter_request(part, validate_only)
            outcomes += await self._alter(request, IncrementalAlterConfigsResponse, node_id)
        raise_first(outcomes)

    async def list_config_resources(self, types: Sequence[int] = ()) -> list[ConfigResource]:
        """The resources of these types that have options, or all of them (KIP-1142)."""
        network = self._require_running()
        request = ListConfigResourcesRequest(resource_types=list(types))
        response = await questions.ask(
            network, request, ListConfigResourcesResponse, self._timeout_ms
        )
        raise_first([Outcome("config resources", response.error_code, None)])
        return sorted(
            ConfigResource(each.resource_type, each.resource_name)
            for each in response.config_resources
        )

    async def describe_log_dirs(
        self, brokers: Sequence[int] | None = None
    ) -> dict[int, tuple[LogDirInfo, ...]]:
        """The data directories of these brokers, or of all, with the partitions in them."""
        if brokers is None:
            brokers = [broker.id for broker in (await self.describe_cluster()).brokers]
        network = self._require_running()
        found: dict[int, tuple[LogDirInfo, ...]] = {}
        for node_id in brokers:
            request = DescribeLogDirsRequest(topics=None)
            response = await questions.ask(
                network, request, DescribeLogDirsResponse, self._timeout_ms, node_id
            )
            raise_first([Outcome(f"broker {node_id}", response.error_code, None)])
            found[node_id] = log_dirs_of(response)
        return found

    async def list_groups(
        self, states: Sequence[str] | None = None, types: Sequence[str] | None = None
    ) -> list[GroupListing]:
        """The groups that all brokers coordinate, in order; only those in these states, or of these
        types, where the brokers can choose (KIP-518, KIP-848). A broker that cannot be asked is an
        error: a list without its groups would look complete.
        """
        node_ids = [broker.id for broker in (await self.describe_cluster()).brokers]
        network = self._require_running()
        return await groups.list_groups(
            network, node_ids, states or (), types or (), self._timeout_ms
        )

    async def describe_groups(self, names: Sequence[str]) -> dict[str, GroupDescription]:
        """These groups with their members, by name; raises GROUP_ID_NOT_FOUND for one not there."""
        network = self._require_running()
        found = {
            name: await groups.describe_group(network, name, self._timeout_ms)
            for name in _listed(names)
        }
        raise_first(outcome for _, outcome in found.values())
        return {name: each for name, (each, _) in found.items() if each is not None}

    async def delete_groups(self, names: Sequence[str]) -> None:
        """Delete groups without members, with all that they have committed (KIP-229)."""
        network = self._require_running()
        names = _listed(names)
        raise_first([await groups.delete_group(network, name, self._timeout_ms) for name in names])

    async def remove_group_members(
        self, name: str, *, instance_ids: Sequence[str] = (), member_ids: Sequence[str] = ()
    ) -> None:
        """Let members leave a group: static ones by their instance id, others by member id.

        A member that lives joins again; this is for those which are gone, so that nobody waits
        until their session runs out (KIP-345; removeMembersFromConsumerGroup in Java).
        """
        network = self._require_running()
        leaving = [("", each) for each in instance_ids] + [(each, None) for each in member_ids]
        raise_first(
            [await groups.remove_member(network, name, *each, self._timeout_ms) for each in leaving]
        )

    async def list_group_offsets(
        self,
        name: str,
        partitions: Sequence[TopicPartition] | None = None,
        *,
        require_stable: bool = False,
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """What the group has committed for these partitions, or for any; others are left out.

        With `require_stable` it waits for transactions that may still change it (KIP-447).
        """
        coordinator = Coordinator(self._require_running(), name)
        return await fetch_committed(coordinator, partitions, self._timeout_ms, require_stable)

    async def alter_group_offsets(
        self, name: str, offsets: Mapping[TopicPartition, int | OffsetAndMetadata]
    ) -> None:
        """Commit offsets for a group without members, or for one that is to come (KIP-396)."""
        coordinator = Coordinator(self._require_running(), name)
        await group_offsets.alter(coordinator, offsets, self._timeout_ms)

    async def delete_group_offsets(self, name: str, partitions: Sequence[TopicPartition]) -> None:
        """Forget what was committed for partitions of topics that nobody in it reads (KIP-496)."""
        coordinator = Coordinator(self._require_running(), name)
        await group_offsets.delete(coordinator, partitions, self._timeout_ms)

    async def _ask_metadata(self, names: Sequence[str] | None) -> MetadataResponse:
        """Metadata of these topics, or of all."""
        topics = None
        if names is not None:
            topics = [MetadataRequestTopic(name=name) for name in _listed(names)]
        request = MetadataRequest(topics=topics, allow_auto_topic_creation=False)
        network = self._require_running()
        return await questions.ask(network, request, MetadataResponse, self._timeout_ms)

    async def _alter(
        self,
        request: object,
        response_class: type[AlterConfigsResponse | IncrementalAlterConfigsResponse],
        node_id: int | None,
    ) -> list[Outcome]:
        """Change options: those of a broker there, others by way of the controller."""
        network = self._require_running()

        async def ask(connection: Connection, left_ms: int) -> list[Outcome]:
            return configs.outcomes_of(await connection.request(request, response_class, left_ms))

        if node_id is None:
            return await questions.change(network, ask, self._timeout_ms)
        return await ask(await network.connection(node_id, self._timeout_ms), self._timeout_ms)

    def _or_default(self, timeout_ms: int | None) -> int:
        return self._timeout_ms if timeout_ms is None else timeout_ms

    def _require_running(self) -> Network:
        if self._network is None:
            raise ClientNotRunning(f"this admin client {self._not_running}")
        return self._network


def _listed(names: Sequence[str]) -> list[str]:
    """The names as a list; TypeError for a lone string, which is a sequence of letters."""
    if isinstance(names, str):
        raise TypeError(f"a list of names is needed, not the name {names!r} alone")
    return list(names)
