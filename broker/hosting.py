"""What of the cluster lives on this node: its partitions, as the image has them, and its groups.

    at the start             every partition of the image that names this node is opened
    a record is committed    partitions are opened, lead or follow, get other options, or are
                             removed: with their topic, or because they have moved elsewhere
    with each checkpoint     those are tried again for which there was no room, or none to write
                             down that they lead

A partition that is damaged is not served, and nothing in it is changed; the others are. Where
others have it as well it is set aside and fetched anew, but not before the controller has taken it
out of those who may be elected (`has_damage`: register as a broker that has lost something), or it
would be elected for records that it lacks. One that only finds no room is tried again.

The coordinator of groups is made, and its code read, when this node leads the first partition of
`__consumer_offsets`, or somebody asks for a group.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..protocol.errors import ErrorCode
from .config import TopicConfig
from .controller.decide import OFFSETS_TOPIC
from .controller.image import NOBODY, Image, PartitionImage, Record, TopicImage
from .controller.live_config import LiveConfig
from .controller.metadata_log import METADATA_LOG
from .log.checkpoints import CorruptCheckpoint
from .log.files import StorageError, StorageFailed
from .log.offset_checkpoints import LogName, directory_name
from .log.scan import CorruptLog
from .replica.manager import ReplicaManager, Unserved
from .replica.partition import Partition
from .replica.store import PartitionIdentity, PartitionStore

if TYPE_CHECKING:
    from .group.coordinator import GroupCoordinator
    from .replica.fetcher import ReplicaFetcher

log = logging.getLogger("minikafka.hosting")


class Hosting:
    """The partitions and groups of one node.

    `new_groups` makes the coordinator of groups; `fail` is told when the disk has failed.
    """

    def __init__(
        self,
        node_id: int,
        image: Image,
        live: LiveConfig,
        store: PartitionStore,
        replicas: ReplicaManager,
        new_groups: Callable[[], "GroupCoordinator"],
        fail: Callable[[StorageFailed], None],
    ) -> None:
        self.groups: GroupCoordinator | None = None
        """The coordinator of groups, once it was needed."""
        self.fetcher: ReplicaFetcher | None = None
        """Fetches what this node follows; a lone node has none."""
        self.has_damage = False
        """Whether a replica was found damaged that others have as well."""
        self._node_id = node_id
        self._image = image
        self._live = live
        self._store = store
        self._replicas = replicas
        self._new_groups = new_groups
        self._fail = fail

    def open_all(self) -> None:
        """Open every partition of the image; StorageFailed when the disk fails."""
        names: list[LogName] = []
        for topic in self._image.topics.values():
            config = self._live.of_topic(topic)
            for partition in topic.partitions.values():
                if self._node_id in partition.replicas:
                    names.append((topic.name, partition.index))
                    self._serve(topic, partition, config)
        self._store.warn_of_strays([METADATA_LOG, *names])

    def fetch_with(self, fetcher: "ReplicaFetcher") -> None:
        """Follow from now on: when this broker is registered, for its fetches say as whom."""
        self.fetcher = fetcher
        for partition in self._replicas.partitions.values():
            fetcher.assign(partition)

    def apply(self, record: Record) -> None:
        """A change of the cluster was committed: whatever happens here, it is what holds now."""
        try:
            self._follow(record)
        except StorageFailed as error:
            self._fail(error)
        except StorageError as error:
            log.error("%s is not carried out on disk: %s", record["type"], error)

    def _follow(self, record: Record) -> None:
        """Open, remove and configure partitions as the record says."""
        image = self._image
        match record["type"]:
            case "PartitionCreated" | "PartitionChanged":
                topic = image.topics[image.topic_names[record["topic_id"]]]
                self._host(topic, topic.partitions[record["index"]])
            case "TopicDeleted":
                replicas = self._replicas
                names = [
                    name
                    for name in [*replicas.partitions, *replicas.unserved]
                    if name[0] not in image.topics
                ]
                for name in names:
                    self._remove(name)
                self._store.delete(names)
                if self.groups is not None:
                    for topic in {topic for topic, _ in names}:
                        self.groups.forget_topic(topic)
            case "TopicConfigsChanged":
                self._configure(image.topics[image.topic_names[record["topic_id"]]])
            case "BrokerConfigsChanged":
                self._live.reload()
                for topic in image.topics.values():
                    self._configure(topic)
            case _:
                pass

    def _configure(self, topic: TopicImage) -> None:
        """Let the partitions of a topic go by its options as they are now."""
        config = self._live.of_topic(topic)
        for index in topic.partitions:
            partition = self._replicas.find(topic.name, index)
            if partition is not None:
                partition.configure(config)

    def _host(self, topic: TopicImage, image: PartitionImage) -> None:
        """Open it, or give it another role, or let it go, as the controller has decided."""
        partition = self._replicas.find(topic.name, image.index)
        if self._node_id not in image.replicas:
            self._let_go(topic, image.index)
        elif partition is not None:
            self._set_role(partition, image)
            self._tell_role(topic, partition)
        else:
            self._serve(topic, image, self._live.of_topic(topic))

    def _let_go(self, topic: TopicImage, index: int) -> None:
        """It has moved to other nodes: remove it, and what it has on disk."""
        name = (topic.name, index)
        if name in self._replicas.partitions or name in self._replicas.unserved:
            self._remove(name)
            self._store.delete([name])
            if topic.name == OFFSETS_TOPIC and self.groups is not None:
                self.groups.resign_partition(index)

    def _remove(self, name: LogName) -> None:
        removed = self._replicas.remove(*name)
        if removed is not None:
            if self.fetcher is not None:
                self.fetcher.forget(removed)
            removed.log.let_go()

    def _serve(self, topic: TopicImage, image: PartitionImage, config: TopicConfig) -> None:
        """Open and serve it, or say why not."""
        identity = PartitionIdentity(topic.name, topic.topic_id, image.index)
        try:
            if self._is_damaged(identity.log_name) and not self._begin_anew(identity, image):
                return
            opened = self._open(identity, image, config)
            self._set_role(opened, image)
        except StorageFailed:
            raise
        except (CorruptLog, CorruptCheckpoint) as error:
            directory = self._store.directory(identity.log_name)
            remedy = f"stop the node, then look with `minikafka log repair --dry-run {directory}`"
            self._do_not_serve(identity, ErrorCode.CORRUPT_MESSAGE, f"{error}; {remedy}")
        except StorageError as error:
            self._do_not_serve(
                identity, ErrorCode.KAFKA_STORAGE_ERROR, f"{error}; tried again soon"
            )
        else:
            self._replicas.add(opened)
            self._tell_role(topic, opened)

    def _open(
        self, identity: PartitionIdentity, image: PartitionImage, config: TopicConfig
    ) -> Partition:
        """Open it, or begin anew where it is damaged and nobody counts on it."""
        try:
            return self._store.open(identity, config)
        except (CorruptLog, CorruptCheckpoint):
            self.has_damage |= len(image.replicas) > 1
            if not self._begin_anew(identity, image):
                raise
            return self._store.open(identity, config)

    def _begin_anew(self, identity: PartitionIdentity, image: PartitionImage) -> bool:
        """Set a damaged replica aside, to be fetched from its leader; False while it counts.

        Who may be elected is said to have all that is acknowledged: that must be untrue first.
        """
        if image.leader == NOBODY or self._node_id in (image.leader, *image.isr, *image.elr):
            return False
        aside = self._store.set_damaged_aside(identity.log_name)
        log.error("a damaged replica is kept as %s, and fetched anew from its leader", aside)
        return True

    def _is_damaged(self, name: LogName) -> bool:
        unserved = self._replicas.unserved.get(name)
        return unserved is not None and unserved.error_code is ErrorCode.CORRUPT_MESSAGE

    def _set_role(self, partition: Partition, image: PartitionImage) -> None:
        """Lead or follow, as the controller has decided."""
        is_suspended = self._replicas.is_suspended
        if image.leader == self._node_id:
            partition.suspend(is_suspended)
            partition.lead(image, self._image.brokers, self._replicas.now_ms())
        else:
            partition.follow(image)
            partition.suspend(is_suspended)

    def _tell_role(self, topic: TopicImage, partition: Partition) -> None:
        """Let everybody know whom a partition's role concerns."""
        self._replicas.changed_role(partition)
        if self.fetcher is not None:
            self.fetcher.assign(partition)
        if topic.name == OFFSETS_TOPIC:
            if partition.is_led_here:
                self.start_groups().lead(partition, len(topic.partitions))
            elif self.groups is not None:
                self.groups.resign_partition(partition.index)

    def _do_not_serve(self, identity: PartitionIdentity, code: ErrorCode, reason: str) -> None:
        message = f"partition {directory_name(identity.log_name)} is not served: {reason}"
        log.error("%s", message)
        self._replicas.unserved[identity.log_name] = Unserved(code, message)

    def try_again(self) -> None:
        """Open, or lead, the partitions for which there was no room."""
        for topic in self._image.topics.values():
            for index, image in topic.partitions.items():
                unserved = self._replicas.unserved.get((topic.name, index))
                partition = self._replicas.find(topic.name, index)
                has_no_room = unserved and unserved.error_code is ErrorCode.KAFKA_STORAGE_ERROR
                if has_no_room or (partition and self._is_behind(partition, image)):
                    self._host(topic, image)

    def _is_behind(self, partition: Partition, image: PartitionImage) -> bool:
        """Whether it has another role than it should have, for want of room."""
        is_suspended = self._replicas.is_suspended
        return (
            partition.leader_epoch < image.leader_epoch
            or partition.is_suspended is not is_suspended
        )

    def start_groups(self) -> "GroupCoordinator":
        """The coordinator of groups, made for the first who needs it."""
        if self.groups is None:
            self.groups = self._new_groups()
        return self.groups
