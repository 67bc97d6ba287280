"""What of the cluster lives on this node: its partitions, as the image has them, and its groups.

    at the start             every partition of the image is opened
    a record is committed    partitions are opened, given another leader epoch or other options, or
                             removed
    with each checkpoint     those are tried again for which there was no room

A partition that is damaged is not served, and nothing in it is changed; the others are. One that
only finds no room is tried again. The coordinator of groups is made, and its code read, when the
first partition of `__consumer_offsets` is opened, or somebody asks for a group.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..protocol.errors import ErrorCode
from .config import TopicConfig
from .controller.decide import OFFSETS_TOPIC
from .controller.image import Image, PartitionImage, Record, TopicImage
from .controller.live_config import LiveConfig
from .controller.metadata_log import METADATA_LOG
from .log.checkpoints import CorruptCheckpoint
from .log.files import StorageError, StorageFailed
from .log.offset_checkpoints import directory_name
from .log.scan import CorruptLog
from .replica.manager import ReplicaManager, Unserved
from .replica.store import PartitionIdentity, PartitionStore

if TYPE_CHECKING:
    from .group.coordinator import GroupCoordinator

log = logging.getLogger("minikafka.hosting")


class Hosting:
    """The partitions and groups of one node.

    `new_groups` makes the coordinator of groups; `fail` is told when the disk has failed.
    """

    def __init__(
        self,
        image: Image,
        live: LiveConfig,
        store: PartitionStore,
        replicas: ReplicaManager,
        new_groups: Callable[[], "GroupCoordinator"],
        fail: Callable[[StorageFailed], None],
    ) -> None:
        self.groups: GroupCoordinator | None = None
        """The coordinator of groups, once it was needed."""
        self._image = image
        self._live = live
        self._store = store
        self._replicas = replicas
        self._new_groups = new_groups
        self._fail = fail

    def open_all(self) -> None:
        """Open every partition of the image; StorageFailed when the disk fails."""
        topics = self._image.topics.values()
        for topic in topics:
            config = self._live.of_topic(topic)
            for partition in topic.partitions.values():
                self._serve(topic, partition, config)
        names = [(topic.name, index) for topic in topics for index in topic.partitions]
        self._store.warn_of_strays([METADATA_LOG, *names])

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
            case "PartitionCreated":
                topic = image.topics[image.topic_names[record["topic_id"]]]
                config = self._live.of_topic(topic)
                self._serve(topic, topic.partitions[record["index"]], config)
            case "PartitionChanged":
                topic = image.topics[image.topic_names[record["topic_id"]]]
                changed = topic.partitions[record["index"]]
                partition = self._replicas.find(topic.name, changed.index)
                if partition is not None:
                    self._store.lead(partition, changed.leader_epoch)
                    self._replicas.moved(partition)
            case "TopicDeleted":
                replicas = self._replicas
                names = [
                    name
                    for name in [*replicas.partitions, *replicas.unserved]
                    if name[0] not in image.topics
                ]
                for name in names:
                    removed = replicas.remove(*name)
                    if removed is not None:
                        removed.log.let_go()
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

    def _serve(self, topic: TopicImage, partition: PartitionImage, config: TopicConfig) -> None:
        """Open and serve it, or say why not."""
        identity = PartitionIdentity(
            topic.name, topic.topic_id, partition.index, partition.leader_epoch
        )
        try:
            opened = self._store.open(identity, config)
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
            if topic.name == OFFSETS_TOPIC:
                self.start_groups().lead(opened, len(topic.partitions))

    def _do_not_serve(self, identity: PartitionIdentity, code: ErrorCode, reason: str) -> None:
        message = f"partition {directory_name(identity.log_name)} is not served: {reason}"
        log.error("%s", message)
        self._replicas.unserved[identity.log_name] = Unserved(code, message)

    def try_again(self) -> None:
        """Open the partitions for which there was no room, or nothing else that may be back."""
        for name, unserved in list(self._replicas.unserved.items()):
            if unserved.error_code == ErrorCode.KAFKA_STORAGE_ERROR:
                topic = self._image.topics[name[0]]
                config = self._live.of_topic(topic)
                self._serve(topic, topic.partitions[name[1]], config)

    def start_groups(self) -> "GroupCoordinator":
        """The coordinator of groups, made for the first who needs it."""
        if self.groups is None:
            self.groups = self._new_groups()
        return self.groups
