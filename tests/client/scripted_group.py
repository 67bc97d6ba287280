"""A coordinator of a group with one member, on scripted brokers: it says what a test tells it to.

group = ScriptedGroup(broker)              of `g`; the topic `t` holds the values that are given
group.commit_codes.append(REBALANCE...)    the next commits are refused with these, in order
group.lose_member()                        the member's generation is unknown from now on
"""

import asyncio
from typing import Any

from minikafka import Consumer
from minikafka.protocol.api.fetch import (
    FetchRequest,
    FetchResponse,
    FetchResponsePartition,
    FetchResponseTopic,
)
from minikafka.protocol.api.heartbeat import HeartbeatRequest, HeartbeatResponse
from minikafka.protocol.api.join_group import (
    JoinGroupRequest,
    JoinGroupResponse,
    JoinGroupResponseMember,
)
from minikafka.protocol.api.leave_group import LeaveGroupRequest, LeaveGroupResponse
from minikafka.protocol.api.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
)
from minikafka.protocol.api.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from minikafka.protocol.api.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from minikafka.protocol.api.sync_group import SyncGroupRequest, SyncGroupResponse
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import Record, build_batch

from ..broker.in_process import until
from ..transport.scripted_broker import FETCH, LIST_OFFSETS, ScriptedBroker
from .coordination import FIND_COORDINATOR, coordinated_by

OFFSET_COMMIT, OFFSET_FETCH, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = 8, 9, 11, 12, 13, 14
MEMBER_ID = "m-1"
DEADLINE_MS = 10_000


class ScriptedGroup:
    """The group, told by every broker that it is installed on; coordinated by broker 1."""

    def __init__(self, *brokers: ScriptedBroker, values: int = 10) -> None:
        self.values = values
        """So many records has each partition of `t`: 0, 1, 2..."""
        self.generation = 0
        self.is_known = False
        self.heard_of = 0
        """The generation of the last heartbeat."""
        self.committed: dict[tuple[str, int], int] = {}
        self.commits: list[dict[tuple[str, int], int]] = []
        """What was committed, in the order of arrival."""
        self.commit_codes: list[ErrorCode] = []
        for broker in brokers:
            defaults = {
                FIND_COORDINATOR: coordinated_by(1),
                JOIN_GROUP: self.join,
                SYNC_GROUP: self.sync,
                HEARTBEAT: self.heartbeat,
                LEAVE_GROUP: self.leave,
                OFFSET_COMMIT: self.commit,
                OFFSET_FETCH: self.fetch_offsets,
                LIST_OFFSETS: self.list_offsets,
                FETCH: self.fetch,
            }
            for key, handler in defaults.items():
                broker.handlers.setdefault(key, handler)

    def lose_member(self) -> None:
        """Forget the member, as after its session."""
        self.is_known = False

    def join(self, request: JoinGroupRequest) -> JoinGroupResponse:
        """The one member leads."""
        self.generation += 1
        self.is_known = True
        chosen = request.protocols[0]
        member = JoinGroupResponseMember(member_id=MEMBER_ID, metadata=chosen.metadata)
        return JoinGroupResponse(
            error_code=0,
            generation_id=self.generation,
            protocol_name=chosen.name,
            leader=MEMBER_ID,
            member_id=MEMBER_ID,
            members=[member],
        )

    def sync(self, request: SyncGroupRequest) -> SyncGroupResponse:
        """What the leader said."""
        (assignment,) = [each.assignment for each in request.assignments]
        return SyncGroupResponse(error_code=0, assignment=assignment)

    def heartbeat(self, request: HeartbeatRequest) -> HeartbeatResponse:
        """All is well, unless the member was lost."""
        self.heard_of = request.generation_id
        return HeartbeatResponse(error_code=self._check(request.generation_id))

    def leave(self, _: LeaveGroupRequest) -> LeaveGroupResponse:
        """Goodbye."""
        self.is_known = False
        return LeaveGroupResponse(error_code=0)

    def commit(self, request: OffsetCommitRequest) -> OffsetCommitResponse:
        """Committed, in the generation that is."""
        generation = request.generation_id_or_member_epoch
        code = ErrorCode.NONE if generation < 0 else self._check(generation)
        if not code and self.commit_codes:
            code = self.commit_codes.pop(0)
        if not code:
            offsets = {
                (topic.name, each.partition_index): each.committed_offset
                for topic in request.topics
                for each in topic.partitions
            }
            self.commits.append(offsets)
            self.committed |= offsets
        return OffsetCommitResponse(
            topics=[
                OffsetCommitResponseTopic(
                    name=topic.name,
                    partitions=[
                        OffsetCommitResponsePartition(
                            partition_index=each.partition_index, error_code=int(code)
                        )
                        for each in topic.partitions
                    ],
                )
                for topic in request.topics
            ]
        )

    def fetch_offsets(self, request: OffsetFetchRequest) -> OffsetFetchResponse:
        """What was committed, in the form of the request."""
        if request.groups:
            topics = [
                OffsetFetchResponseTopics(
                    name=topic.name,
                    partitions=[
                        OffsetFetchResponsePartitions(**self._committed(topic.name, index))
                        for index in topic.partition_indexes
                    ],
                )
                for topic in request.groups[0].topics or []
            ]
            group = OffsetFetchResponseGroup(group_id="g", topics=topics, error_code=0)
            return OffsetFetchResponse(groups=[group])
        topics = [
            OffsetFetchResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetFetchResponsePartition(**self._committed(topic.name, index))
                    for index in topic.partition_indexes
                ],
            )
            for topic in request.topics or []
        ]
        return OffsetFetchResponse(topics=topics)

    def list_offsets(self, request: ListOffsetsRequest) -> ListOffsetsResponse:
        """From 0 to the number of values."""
        return ListOffsetsResponse(
            topics=[
                ListOffsetsResponseTopic(
                    name=topic.name,
                    partitions=[
                        ListOffsetsResponsePartition(
                            partition_index=each.partition_index,
                            error_code=0,
                            offset=0 if each.timestamp == -2 else self.values,
                        )
                        for each in topic.partitions
                    ],
                )
                for topic in request.topics
            ]
        )

    async def fetch(self, request: FetchRequest) -> FetchResponse:
        """All that is left from the offset on; at the end it waits, as a broker does."""
        if not any(each.fetch_offset < self.values for each in request.topics[0].partitions):
            await asyncio.sleep(request.max_wait_ms / 1000)
        topics = [
            FetchResponseTopic(
                topic=topic.topic,
                topic_id=topic.topic_id,
                partitions=[
                    FetchResponsePartition(
                        partition_index=each.partition,
                        error_code=0,
                        high_watermark=self.values,
                        records=self._batch(each.fetch_offset),
                    )
                    for each in topic.partitions
                ],
            )
            for topic in request.topics
        ]
        return FetchResponse(responses=topics)

    def _batch(self, offset: int) -> bytes:
        records = [Record(0, 5, None, b"%d" % each) for each in range(offset, self.values)]
        return bytes(build_batch(records, 0, offset, 3)) if records else b""

    def _check(self, generation: int) -> ErrorCode:
        if not self.is_known:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE if generation == self.generation else ErrorCode.ILLEGAL_GENERATION

    def _committed(self, topic: str, index: int) -> dict[str, Any]:
        return {
            "partition_index": index,
            "committed_offset": self.committed.get((topic, index), -1),
            "metadata": "",
            "error_code": 0,
        }


async def rejoined(group: ScriptedGroup) -> None:
    """Let the coordinator forget the member, and wait until it has come back by itself.

    It has its assignment then, of which its user has not heard.
    """
    generation = group.generation
    group.lose_member()
    await until(lambda: group.heard_of > generation)


def member_at(broker: ScriptedBroker, *topics: str, **options: Any) -> Consumer:
    """A member of `g` that reads `t` from the beginning."""
    defaults: dict[str, Any] = {
        "group_id": "g",
        "auto_offset_reset": "earliest",
        "heartbeat_interval_ms": 20,
        "fetch_max_wait_ms": 20,
        "retry_backoff_ms": 5,
        "enable_auto_commit": False,
        "default_api_timeout_ms": DEADLINE_MS,
    }
    topics = topics or ("t",)
    return Consumer(*topics, bootstrap_servers=broker.bootstrap, **defaults | options)


async def take(consumer: Consumer, count: int) -> list[int]:
    """The next `count` numbers, one by one."""
    return [int((await consumer.getone(timeout_ms=DEADLINE_MS)).value) for _ in range(count)]
