"""Groups listed, described and deleted: on our broker, and on scripted ones old and new."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minikafka import AdminClient, KafkaError, TopicPartition
from minikafka.client.errors import UnsupportedByCluster
from minikafka.client.groups import GroupListing
from minikafka.protocol.api.delete_groups import DeleteGroupsResponse, DeleteGroupsResponseResult
from minikafka.protocol.api.describe_groups import (
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    DescribeGroupsResponseGroup,
    DescribeGroupsResponseMember,
)
from minikafka.protocol.api.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    LeaveGroupResponseMember,
)
from minikafka.protocol.api.list_groups import ListGroupsResponse, ListGroupsResponseGroup
from minikafka.protocol.consumer_protocol import (
    ConsumerProtocolAssignment,
    OwnedTopicPartitions,
    encode_versioned,
)
from minikafka.protocol.errors import ErrorCode

from ..broker.handlers.group_member import GROUP, RawMember
from ..broker.in_process import ServedNode, serving
from ..transport.scripted_broker import HANG_UP, ScriptedBroker
from .cluster import Cluster
from .coordination import FIND_COORDINATOR, coordinated_by, serve_up_to

LEAVE_GROUP, DESCRIBE_GROUPS, LIST_GROUPS, DELETE_GROUPS = 13, 15, 16, 42
OWNED = encode_versioned(
    ConsumerProtocolAssignment(
        assigned_partitions=[OwnedTopicPartitions(topic="orders", partitions=[1, 0])]
    ),
    3,
)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    """A node with a topic."""
    async with serving(tmp_path) as node:
        await node.create("orders", partitions=3)
        yield node


def admin_of(node: ServedNode) -> AdminClient:
    """An administrator of this node."""
    return AdminClient(bootstrap_servers=f"127.0.0.1:{node.address[1]}")


def scripted_admin(broker: ScriptedBroker) -> AdminClient:
    """An administrator that asks again at once."""
    return AdminClient(
        bootstrap_servers=broker.bootstrap, retry_backoff_ms=1, request_timeout_ms=10_000
    )


async def member_of(node: ServedNode, instance_id: str | None = None) -> RawMember:
    """A member that is alone in a stable group, and owns two partitions."""
    member = await RawMember.of(node, instance_id)
    await member.join()
    await member.sync(assignment=OWNED)
    return member


async def test_a_group_is_described_with_its_members_and_what_they_own(node: ServedNode):
    member = await member_of(node, "till-1")
    async with admin_of(node) as admin:
        group = (await admin.describe_groups([GROUP]))[GROUP]
        assert (group.group_id, group.state) == (GROUP, "Stable")
        assert (group.protocol_type, group.protocol) == ("consumer", "range")
        assert group.coordinator is not None
        assert (group.coordinator.id, group.coordinator.port) == (1, node.address[1])
        (found,) = group.members
        assert (found.member_id, found.instance_id) == (member.member_id, "till-1")
        assert (found.client_id, found.host) == ("raw", "127.0.0.1")
        assert found.topics == ("orders",)
        assert found.assignment == (TopicPartition("orders", 0), TopicPartition("orders", 1))


async def test_groups_are_listed_in_order_and_by_state(node: ServedNode):
    await member_of(node)
    async with admin_of(node) as admin:
        await admin.alter_group_offsets("audit", {TopicPartition("orders", 0): 0})
        audit = GroupListing("audit", "", "Empty", "classic")
        billing = GroupListing(GROUP, "consumer", "Stable", "classic")
        assert await admin.list_groups() == [audit, billing]
        assert await admin.list_groups(states=["stable"]) == [billing]
        assert await admin.list_groups(types=["consumer"]) == []


async def test_a_broker_without_any_group_lists_none(node: ServedNode):
    async with admin_of(node) as admin:
        assert await admin.list_groups() == []


async def test_groups_without_members_are_deleted_and_others_named(node: ServedNode):
    await member_of(node)
    async with admin_of(node) as admin:
        await admin.alter_group_offsets("audit", {TopicPartition("orders", 0): 5})
        with pytest.raises(
            KafkaError, match=r"group 'billing': it still has members; stop"
        ) as caught:
            await admin.delete_groups([GROUP, "audit"])
        assert caught.value.code is ErrorCode.NON_EMPTY_GROUP
        assert [each.group_id for each in await admin.list_groups()] == [GROUP]
        assert await admin.list_group_offsets("audit") == {}
        with pytest.raises(KafkaError, match="'audit'") as caught:
            await admin.delete_groups(["audit"])
        assert caught.value.code is ErrorCode.GROUP_ID_NOT_FOUND


@pytest.mark.parametrize("instance_id", [None, "till-1"])
async def test_a_member_that_is_gone_for_good_is_removed(node: ServedNode, instance_id: str | None):
    member = await member_of(node, instance_id)
    async with admin_of(node) as admin:
        if instance_id is None:
            await admin.remove_group_members(GROUP, member_ids=[member.member_id])
        else:
            await admin.remove_group_members(GROUP, instance_ids=[instance_id])
        assert (await admin.describe_groups([GROUP]))[GROUP].members == ()
        with pytest.raises(KafkaError, match="member 'nobody' of group 'billing'") as caught:
            await admin.remove_group_members(GROUP, member_ids=["nobody"])
        assert caught.value.code is ErrorCode.UNKNOWN_MEMBER_ID
        await admin.delete_groups([GROUP])


async def test_a_group_that_nobody_knows_is_an_error(node: ServedNode):
    async with admin_of(node) as admin:
        with pytest.raises(KafkaError, match="'nobody'") as caught:
            await admin.describe_groups(["nobody"])
        assert caught.value.code is ErrorCode.GROUP_ID_NOT_FOUND


def described(state: str, *members: DescribeGroupsResponseMember, protocol: str = "") -> object:
    """A DescribeGroups handler of a broker that knows only this group."""

    def handle(request: DescribeGroupsRequest) -> DescribeGroupsResponse:
        group = DescribeGroupsResponseGroup(
            error_code=0,
            group_id=request.groups[0],
            group_state=state,
            protocol_type=protocol,
            protocol_data="",
            members=list(members),
        )
        return DescribeGroupsResponse(groups=[group])

    return handle


async def test_an_old_broker_calls_a_group_that_is_not_there_dead():
    handlers = {DESCRIBE_GROUPS: described("Dead"), FIND_COORDINATOR: coordinated_by(1)}
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        serve_up_to(broker, DESCRIBE_GROUPS, 0)
        serve_up_to(broker, FIND_COORDINATOR, 0)
        async with scripted_admin(broker) as admin:
            with pytest.raises(KafkaError, match="'nobody': there is no such group") as caught:
                await admin.describe_groups(["nobody"])
        assert caught.value.code is ErrorCode.GROUP_ID_NOT_FOUND


@pytest.mark.parametrize("protocol", ["consumer", "connect"])
async def test_bytes_that_are_no_consumers_are_not_read(protocol: str):
    member = DescribeGroupsResponseMember(
        member_id="m",
        client_id="c",
        client_host="/10.0.0.7",
        member_metadata=b"\x00\x00\x00",
        member_assignment=OWNED if protocol == "connect" else b"",
    )
    handlers = {
        DESCRIBE_GROUPS: described("Stable", member, protocol=protocol),
        FIND_COORDINATOR: coordinated_by(1),
    }
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        async with scripted_admin(broker) as admin:
            (found,) = (await admin.describe_groups(["g"]))["g"].members
        assert (found.host, found.topics, found.assignment) == ("10.0.0.7", (), ())


async def test_a_group_that_has_moved_is_described_by_its_new_coordinator():
    async with ScriptedBroker() as old, ScriptedBroker() as new:
        Cluster(old, new)
        old.handlers[FIND_COORDINATOR] = new.handlers[FIND_COORDINATOR] = coordinated_by(1, 2)
        old.handlers[DESCRIBE_GROUPS] = lambda _: HANG_UP
        new.handlers[DESCRIBE_GROUPS] = described("Empty")
        async with scripted_admin(old) as admin:
            group = (await admin.describe_groups(["g"]))["g"]
        assert group.coordinator is not None
        assert (group.state, group.coordinator.id) == ("Empty", 2)


def listing(*names: str, code: ErrorCode = ErrorCode.NONE) -> ListGroupsResponse:
    """What a broker lists."""
    groups = [
        ListGroupsResponseGroup(group_id=name, protocol_type="consumer", group_state="Stable")
        for name in names
    ]
    return ListGroupsResponse(error_code=int(code), groups=groups)


async def test_every_broker_is_asked_for_its_groups_until_it_has_read_them():
    loading = [ErrorCode.COORDINATOR_LOAD_IN_PROGRESS] * 2
    async with ScriptedBroker() as first, ScriptedBroker() as second:
        Cluster(first, second)
        first.handlers[LIST_GROUPS] = lambda _: listing("c", "a")
        second.handlers[LIST_GROUPS] = lambda _: (
            listing(code=loading.pop()) if loading else listing("b")
        )
        async with scripted_admin(first) as admin:
            assert [each.group_id for each in await admin.list_groups()] == ["a", "b", "c"]


async def test_a_broker_that_cannot_list_its_groups_is_an_error_and_not_silence():
    async with ScriptedBroker() as first, ScriptedBroker() as second:
        Cluster(first, second)
        first.handlers[LIST_GROUPS] = lambda _: listing("a")
        second.handlers[LIST_GROUPS] = lambda _: listing(
            code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED
        )
        async with scripted_admin(first) as admin:
            with pytest.raises(KafkaError, match="the groups of broker 2"):
                await admin.list_groups()


async def test_a_broker_that_is_down_is_an_error_and_not_silence():
    async with ScriptedBroker() as first, ScriptedBroker() as second:
        Cluster(first, second)
        first.handlers[LIST_GROUPS] = lambda _: listing("a")
        await second.stop()
        async with AdminClient(
            bootstrap_servers=first.bootstrap, retry_backoff_ms=1, request_timeout_ms=300
        ) as admin:
            with pytest.raises(KafkaError, match="broker 2 advertises"):
                await admin.list_groups()


async def test_what_an_old_broker_does_not_say_of_its_groups_is_none_or_refused():
    async with ScriptedBroker({LIST_GROUPS: lambda _: listing("a")}) as broker:
        Cluster(broker)
        serve_up_to(broker, LIST_GROUPS, 3)
        async with scripted_admin(broker) as admin:
            assert await admin.list_groups() == [GroupListing("a", "consumer")]
            with pytest.raises(UnsupportedByCluster, match="by state"):
                await admin.list_groups(states=["Stable"])
            with pytest.raises(UnsupportedByCluster, match="by type"):
                await admin.list_groups(types=["classic"])


async def test_members_leave_old_coordinators_one_by_one():
    codes = [ErrorCode.NOT_COORDINATOR, ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID]

    def handle(request: LeaveGroupRequest) -> LeaveGroupResponse:
        return LeaveGroupResponse(error_code=int(codes.pop(0)))

    handlers = {LEAVE_GROUP: handle, FIND_COORDINATOR: coordinated_by(1)}
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        serve_up_to(broker, LEAVE_GROUP, 2)
        async with scripted_admin(broker) as admin:
            with pytest.raises(KafkaError, match="member 'm2'"):
                await admin.remove_group_members("g", member_ids=["m1", "m2"])
            with pytest.raises(UnsupportedByCluster, match="static"):
                await admin.remove_group_members("g", instance_ids=["till-1"])
        asked = [request.member_id for request in broker.requests_of(LEAVE_GROUP)]
        assert asked == ["m1", "m1", "m2"]


async def test_an_error_of_one_member_is_found_in_newer_answers():
    def handle(request: LeaveGroupRequest) -> LeaveGroupResponse:
        (leaving,) = request.members
        member = LeaveGroupResponseMember(
            member_id=leaving.member_id,
            group_instance_id=leaving.group_instance_id,
            error_code=int(ErrorCode.FENCED_INSTANCE_ID),
        )
        return LeaveGroupResponse(error_code=0, members=[member])

    handlers = {LEAVE_GROUP: handle, FIND_COORDINATOR: coordinated_by(1)}
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        async with scripted_admin(broker) as admin:
            with pytest.raises(KafkaError, match="member 'till-1'") as caught:
                await admin.remove_group_members("g", instance_ids=["till-1"])
        assert caught.value.code is ErrorCode.FENCED_INSTANCE_ID


async def test_a_cluster_that_cannot_delete_groups_says_so():
    async with ScriptedBroker({FIND_COORDINATOR: coordinated_by(1)}) as broker:
        Cluster(broker)
        serve_up_to(broker, DELETE_GROUPS, -1)
        async with scripted_admin(broker) as admin:
            with pytest.raises(UnsupportedByCluster, match="DeleteGroups"):
                await admin.delete_groups(["g"])


async def test_a_deletion_goes_on_to_the_new_coordinator():
    def answer(code: ErrorCode) -> object:
        result = DeleteGroupsResponseResult(group_id="g", error_code=int(code))
        return lambda _: DeleteGroupsResponse(results=[result])

    async with ScriptedBroker() as old, ScriptedBroker() as new:
        Cluster(old, new)
        old.handlers[FIND_COORDINATOR] = new.handlers[FIND_COORDINATOR] = coordinated_by(1, 2)
        old.handlers[DELETE_GROUPS] = answer(ErrorCode.NOT_COORDINATOR)
        new.handlers[DELETE_GROUPS] = answer(ErrorCode.NONE)
        async with scripted_admin(old) as admin:
            await admin.delete_groups(["g"])
        assert len(new.requests_of(DELETE_GROUPS)) == 1
