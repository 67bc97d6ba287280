"""The metadata log with records of any content: the cluster's image, or a sentence why not."""

from random import Random

import msgpack

from minikafka.broker.clock import WallClock
from minikafka.broker.controller.image import UnknownRecord
from minikafka.broker.controller.membership import ForeignDirectory
from minikafka.broker.controller.metadata_log import METADATA_DIRECTORY
from minikafka.broker.controller.service import Controller
from minikafka.broker.log.recovery import Confirmed
from minikafka.broker.log.scan import CorruptLog
from minikafka.protocol.records import Record, build_batch

from .choices import Choices
from .memory_files import MemoryFiles

_LOG = f"data/{METADATA_DIRECTORY}/{0:020d}.log"
_ID = bytes(range(16))
_TOPIC = {"type": "TopicCreated", "topic_id": _ID, "name": "orders", "configs": {}}
_PARTITION = {
    "type": "PartitionCreated",
    "topic_id": _ID,
    "index": 0,
    "replicas": [1],
    "isr": [1],
    "leader": 1,
    "leader_epoch": 0,
    "partition_epoch": 0,
}
_GOOD = (
    {"type": "ClusterCreated", "cluster_id": "c", "broker_id": 1},
    {"type": "BrokerRegistered", "broker_id": 1, "epoch": 0},
    _TOPIC,
    _PARTITION,
    {"type": "PartitionChanged", "topic_id": _ID, "index": 0, "leader_epoch": 1},
    {"type": "ProducerIdsReserved", "broker_id": 1, "next_producer_id": 1000},
    {"type": "TopicDeleted", "topic_id": _ID},
)
_VALUES = (None, -1, 1 << 63, "", "orders", b"", _ID, [], [1], {}, {"a": "b"}, True, 0.5, [[1]])


def metadata_log(data: bytes) -> None:
    """Opened, or UnknownRecord or CorruptLog; an image that was made can be worked with."""
    choices = Choices(data)
    values = [_value(choices) for _ in range(choices.below(9))]
    records = [Record(0, 1, None, value) for value in values]
    content = bytes(build_batch(records)) if records else b""
    files = MemoryFiles({_LOG: content})
    try:
        controller = Controller.open(files, "data", WallClock(), Random(1), Confirmed())
    except (UnknownRecord, CorruptLog, ForeignDirectory):
        return
    finally:
        assert files.contents[_LOG] == content
    for topic in controller.image.topics.values():
        assert controller.image.topic_by_id(topic.topic_id) is topic


def _value(choices: Choices) -> bytes | None:
    kind = choices.byte()
    if kind == 0xFF:
        return None
    if kind & 7 == 7:
        return choices.take(choices.below(50))
    record = dict(choices.one_of(_GOOD))
    for _ in range(choices.below(3)):
        field = choices.one_of([*record, "other"])
        if choices.byte() & 1:
            record.pop(field, None)
        else:
            record[field] = choices.one_of(_VALUES)
    return msgpack.packb(record)
