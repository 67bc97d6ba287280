"""The bytes that attacks send: whole frames, valid as far as the codec goes, absurd in content."""

from minikafka.protocol.api.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
)
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest, DeleteTopicsRequestTopic
from minikafka.protocol.api.fetch import FetchRequest, FetchRequestPartition, FetchRequestTopic
from minikafka.protocol.api.init_producer_id import InitProducerIdRequest
from minikafka.protocol.api.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
)
from minikafka.protocol.api.metadata import MetadataRequest, MetadataRequestTopic
from minikafka.protocol.batch import HEADER_BYTES, BatchHeader, read_header, write_header
from minikafka.protocol.compression import CompressionType, compress
from minikafka.protocol.control import ReadEvents
from minikafka.protocol.control_frame import encode as encode_control

from ..broker.in_process import batch_of, fetch_request, frame_of, produce_request

MAX_INT32 = 2**31 - 1
FRAME_BYTES = 16 << 20
"""`socket.request.max.bytes` of a node with default options."""
ALL_TOPICS = frame_of(MetadataRequest(topics=None), 9, 1)
EVENTS = encode_control(ReadEvents(), "another cluster")
PRODUCER_ID = frame_of(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1), 4, 1)


def many_topics(count: int, prefix: str, creates: bool = False) -> bytes:
    """A Metadata request that names so many topics."""
    topics = [MetadataRequestTopic(name=f"{prefix}{number}") for number in range(count)]
    return frame_of(MetadataRequest(topics=topics, allow_auto_topic_creation=creates), 9, 1)


def create_topics(names: list[str], partitions: int = 1) -> bytes:
    """CreateTopics for all of them."""
    topics = [
        CreateTopicsRequestTopic(name=name, num_partitions=partitions, replication_factor=1)
        for name in names
    ]
    return frame_of(CreateTopicsRequest(topics=topics, timeout_ms=1000), 5, 1)


def delete_topics(names: list[str]) -> bytes:
    """DeleteTopics for all of them."""
    topics = [DeleteTopicsRequestTopic(name=name) for name in names]
    return frame_of(DeleteTopicsRequest(topics=topics, timeout_ms=1000), 6, 1)


def long_poll(topic: str, min_bytes: int = MAX_INT32, entries: int = 1) -> bytes:
    """A fetch that waits as long as it may, naming its one partition so many times."""
    partitions = [
        FetchRequestPartition(partition=0, fetch_offset=0, partition_max_bytes=MAX_INT32)
    ] * entries
    request = FetchRequest(
        max_wait_ms=MAX_INT32,
        min_bytes=min_bytes,
        max_bytes=MAX_INT32,
        topics=[FetchRequestTopic(topic=topic, partitions=partitions)],
    )
    return frame_of(request, 11, 1)


def fetch(topic: str) -> bytes:
    """A fetch of the first megabyte of a topic."""
    return frame_of(fetch_request(topic, 0, max_wait_ms=0), 11, 1)


def produce(topic: str, batch: bytes | bytearray, index: int = 0) -> bytes:
    """A produce request with one batch."""
    return frame_of(produce_request(topic, batch, index=index), 9, 1)


def offset_for_time(topic: str, timestamp: int, entries: int = 1) -> bytes:
    """ListOffsets by time, naming its one partition so many times."""
    wanted = [ListOffsetsRequestPartition(partition_index=0, timestamp=timestamp)] * entries
    topics = [ListOffsetsRequestTopic(name=topic, partitions=wanted)]
    return frame_of(ListOffsetsRequest(replica_id=-1, topics=topics), 5, 1)


def with_header(batch: bytes | bytearray, **fields: int) -> bytearray:
    """The batch with other header fields, and a CRC that is right again."""
    changed = bytearray(batch)
    header: BatchHeader = read_header(changed)._replace(**fields)
    write_header(changed, header)
    return changed


def bomb(codec: CompressionType, content: bytes, record_count: int = 1) -> bytearray:
    """A small batch that is `content` once it is decompressed; its records may be nonsense."""
    body = compress(codec, content)
    return with_header(
        bytearray(HEADER_BYTES) + body,
        batch_length=HEADER_BYTES - 12 + len(body),
        magic=2,
        attributes=codec,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        base_timestamp=1,
        max_timestamp=2,
        last_offset_delta=record_count - 1,
        record_count=record_count,
    )


def tiny_records(count: int) -> bytes:
    """So many records of nothing, seven bytes each at most offsets; what a bomb may hold."""
    return b"\x0c\0\0\0\x01\x01\0" * count


def absurd_counts() -> list[bytearray]:
    """Batches whose header counts what is not there."""
    one = batch_of(b"x")
    return [
        with_header(one, record_count=count, last_offset_delta=delta)
        for count, delta in (
            (MAX_INT32, MAX_INT32 - 1),
            (MAX_INT32, 0),
            (0, -1),
            (-1, -2),
            (-(2**31), MAX_INT32),
            (1_000_000, 999_999),
        )
    ]
