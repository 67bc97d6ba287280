"""A member of a group that speaks in raw messages, in any version."""

from typing import Any

from minikafka.protocol.api.find_coordinator import FindCoordinatorRequest
from minikafka.protocol.api.heartbeat import HeartbeatRequest
from minikafka.protocol.api.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from minikafka.protocol.api.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from minikafka.protocol.api.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from minikafka.protocol.api.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from minikafka.protocol.consumer_protocol import ConsumerProtocolSubscription, encode_versioned
from minikafka.protocol.errors import ErrorCode

from ..in_process import RawClient, ServedNode

GROUP = "billing"


class RawMember:
    """One connection, one member; it remembers what it was told."""

    def __init__(self, client: RawClient, instance_id: str | None = None) -> None:
        self.client = client
        self.instance_id = instance_id
        self.member_id = ""
        self.generation = -1

    @staticmethod
    async def of(node: ServedNode, instance_id: str | None = None) -> "RawMember":
        """A member on a connection of its own, once there is a coordinator."""
        await node.call(FindCoordinatorRequest(coordinator_keys=[GROUP]))
        return RawMember(await node.connect(), instance_id)

    def join_request(self, **fields: Any) -> JoinGroupRequest:
        """What it asks when it joins."""
        subscription = encode_versioned(ConsumerProtocolSubscription(topics=["orders"]), 1)
        protocols = [JoinGroupRequestProtocol(name="range", metadata=subscription)]
        values = {
            "group_id": GROUP,
            "session_timeout_ms": 10_000,
            "member_id": self.member_id,
            "group_instance_id": self.instance_id,
            "protocol_type": "consumer",
            "protocols": protocols,
        }
        return JoinGroupRequest(**values | fields)

    async def join(self, version: int = 9, **fields: Any) -> Any:
        """Join, with the id that is given if one is required."""
        answer = await self.client.call(self.join_request(**fields), version)
        if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = answer.member_id
            answer = await self.client.call(self.join_request(**fields), version)
        self.joined(answer)
        return answer

    def joined(self, answer: Any) -> None:
        """Take the answer to a join."""
        if answer.error_code == ErrorCode.NONE:
            self.member_id, self.generation = answer.member_id, answer.generation_id

    def sync_request(self, **assignments: bytes) -> SyncGroupRequest:
        """What it asks when it wants to know what it owns."""
        return SyncGroupRequest(
            group_id=GROUP,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self.instance_id,
            assignments=[
                SyncGroupRequestAssignment(member_id=member_id, assignment=assignment)
                for member_id, assignment in assignments.items()
            ],
        )

    async def sync(self, version: int = 5, assignment: bytes | None = None) -> Any:
        """Ask what it owns; a leader that is alone gives `assignment` to itself."""
        shares = {} if assignment is None else {self.member_id: assignment}
        return await self.client.call(self.sync_request(**shares), version)

    async def heartbeat(self, version: int = 4) -> ErrorCode:
        """Say that it lives."""
        request = HeartbeatRequest(
            group_id=GROUP,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self.instance_id,
        )
        return ErrorCode((await self.client.call(request, version)).error_code)

    async def commit(self, offset: int, version: int = 9, **fields: Any) -> ErrorCode:
        """Commit an offset of orders-0."""
        request = self.commit_request(offset, **fields)
        answer = await self.client.call(request, version)
        return ErrorCode(answer.topics[0].partitions[0].error_code)

    def commit_request(
        self, offset: int, *, topic: str = "orders", partition: int = 0, text: str | None = None
    ) -> OffsetCommitRequest:
        """A commit of one offset."""
        committed = OffsetCommitRequestPartition(
            partition_index=partition, committed_offset=offset, committed_metadata=text
        )
        return OffsetCommitRequest(
            group_id=GROUP,
            generation_id_or_member_epoch=self.generation,
            member_id=self.member_id,
            group_instance_id=self.instance_id,
            topics=[OffsetCommitRequestTopic(name=topic, partitions=[committed])],
        )

    async def settle(self) -> None:
        """Be alone in a stable group."""
        await self.join()
        assert (await self.sync(assignment=b"all")).error_code == ErrorCode.NONE


async def committed(node: ServedNode, topic: str = "orders", partition: int = 0) -> int:
    """The offset that the group has committed, -1 for none."""
    wanted = [OffsetFetchRequestTopics(name=topic, partition_indexes=[partition])]
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=GROUP, topics=wanted)])
    (group,) = (await node.call(request, 9)).groups
    assert group.error_code == ErrorCode.NONE
    return group.topics[0].partitions[0].committed_offset
