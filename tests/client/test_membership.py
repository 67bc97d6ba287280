"""A member of a group, event by event; its coordinator is the broker's own state machine."""

import pytest

from minikafka.broker.group.member import Identity
from minikafka.client.membership import State
from minikafka.protocol.api.heartbeat import HeartbeatRequest, HeartbeatResponse
from minikafka.protocol.api.join_group import JoinGroupRequest, JoinGroupResponse
from minikafka.protocol.api.leave_group import LeaveGroupRequest
from minikafka.protocol.api.sync_group import SyncGroupRequest, SyncGroupResponse
from minikafka.protocol.errors import ErrorCode, KafkaError

from .group_world import HEARTBEAT_MS, POLL_MS, SESSION_MS, TOPIC, World, partitions


def kinds(world):
    """What is on the wire."""
    return [type(request).__name__.removesuffix("Request") for _, _, request in world.wire]


def settled(*names, strategies=("range",), **options):
    world = World()
    people = [world.add(name, *strategies, **options) for name in names]
    world.settle()
    return world, *people


def test_a_lone_member_gets_every_partition():
    _world, one = settled("A")
    assert one.machine.state is State.STABLE
    assert one.owned == [0, 1, 2, 3, 4, 5]
    assert one.changes[-1].is_assignment
    assert one.changes[-1].assigned == partitions(0, 1, 2, 3, 4, 5)


def test_the_member_id_that_the_coordinator_gives_is_used_at_once():
    world = World()
    one = world.add("A")
    assert kinds(world) == ["JoinGroup"]
    world.deliver()
    assert one.machine.member_id == "A-1"
    assert kinds(world) == ["JoinGroup"]


def test_an_eager_member_gives_up_everything_when_its_user_polls_and_not_before():
    world, one = settled("A")
    world.add("B")
    world.settle(rounds=40, but=[one])
    assert one.machine.state is State.GIVING_UP
    assert one.owned == [0, 1, 2, 3, 4, 5]
    world.settle()
    assert [change.revoked for change in one.changes if change.revoked] == [
        partitions(0, 1, 2, 3, 4, 5)
    ]
    assert one.owned == [0, 1, 2]


def test_a_cooperative_member_keeps_what_it_may_keep():
    world, one = settled("A", strategies=["cooperative-sticky"])
    world.add("B", "cooperative-sticky")
    world.settle()
    (revoked,) = [change.revoked for change in one.changes if change.revoked]
    assert len(revoked) == 3
    assert sorted(one.owned + world.people["B"].owned) == [0, 1, 2, 3, 4, 5]


def test_heartbeats_go_on_while_the_user_works():
    world, one = settled("A")
    world.tick(world.now_ms + HEARTBEAT_MS)
    assert kinds(world) == ["Heartbeat"]
    for _ in range(8):
        world.tick(world.now_ms + SESSION_MS // 2)
        while world.wire:
            world.deliver()
    assert world.group.roster.members
    assert one.owned == [0, 1, 2, 3, 4, 5]


def test_a_user_who_works_for_too_long_leaves_with_one_warning_and_joins_at_the_next_poll():
    world, one = settled("A")
    while not one.warnings:
        world.tick(world.now_ms + HEARTBEAT_MS)
        while world.wire and kinds(world) != ["LeaveGroup"]:
            world.deliver()
    assert "max_poll_interval_ms" in one.warnings[0]
    assert "max_poll_records" in one.warnings[0]
    world.deliver()
    assert not world.group.roster.members
    world.tick(world.now_ms + 10 * POLL_MS)
    assert kinds(world) == []

    world.settle()
    assert [change.lost for change in one.changes if change.lost] == [partitions(*range(6))]
    assert one.owned == [0, 1, 2, 3, 4, 5]
    assert len(one.warnings) == 1


def test_to_go_on_with_what_one_has_is_as_good_as_a_poll():
    world, one = settled("A")
    for _ in range(3):
        world.tick(world.now_ms + POLL_MS - 1)
        while world.wire:
            world.deliver()
        one.machine.went_on(world.now_ms)
    assert not one.warnings


@pytest.mark.parametrize("code", [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION])
def test_what_a_member_owned_is_lost_when_the_coordinator_does_not_know_it(code):
    world, one = settled("A")
    member_id = one.machine.member_id
    world.tick(world.now_ms + HEARTBEAT_MS)
    (_, number, _) = world.wire.pop()
    world.answer(one, number, HeartbeatResponse(error_code=code))
    assert one.machine.has_news
    world.group.leave(Identity(member_id), world.now_ms)
    world.settle()
    assert [change.lost for change in one.changes if change.lost] == [partitions(*range(6))]
    assert one.changes[-1].assigned == partitions(*range(6))
    assert one.owned == [0, 1, 2, 3, 4, 5]


def test_what_is_lost_while_the_user_takes_it_is_told_at_the_next_poll():
    world = World()
    one = world.add("A")
    while one.machine.state is not State.TAKING:
        world.tick(world.now_ms + 5)
        while world.wire:
            world.deliver()
    change = one.machine.begin_change()
    one.machine.commit_refused(ErrorCode.ILLEGAL_GENERATION, one.machine.generation, world.now_ms)
    assert one.machine.end_change(world.now_ms) == []
    assert change.assigned == partitions(*range(6))
    assert one.machine.begin_change().lost == partitions(*range(6))


def test_a_rebalance_before_the_user_has_heard_of_the_last_one_asks_nothing_of_the_user():
    world = World()
    one = world.add("A")
    world.settle(rounds=40, but=[one])
    assert one.machine.state is State.TAKING
    two = world.add("B")
    world.settle(rounds=40, but=[one])
    assert one.machine.state is State.TAKING
    assert two.owned == [3, 4, 5]
    world.settle()
    assert [change.assigned for change in one.changes] == [partitions(0, 1, 2)]


def test_an_error_that_no_waiting_can_mend_is_shown_at_each_poll():
    world, one = settled("A")
    world.tick(world.now_ms + HEARTBEAT_MS)
    (_, number, _) = world.wire.pop()
    world.answer(one, number, HeartbeatResponse(error_code=ErrorCode.FENCED_INSTANCE_ID))
    assert one.machine.state is State.FAILED
    assert one.machine.begin_change().lost == partitions(*range(6))
    assert one.machine.error.code is ErrorCode.FENCED_INSTANCE_ID
    assert "group 'g'" in str(one.machine.error)
    assert one.machine.deadline_ms() is None
    assert one.machine.tick(world.now_ms + 1000) == []


def test_an_assignment_that_cannot_be_read_fails_and_says_so():
    world = World()
    one = world.add("A")
    while not any(isinstance(request, SyncGroupRequest) for _, _, request in world.wire):
        world.tick(world.now_ms + 5)
        if kinds(world) == ["JoinGroup"]:
            world.deliver()
    (_, number, _) = world.wire.pop()
    world.answer(one, number, SyncGroupResponse(error_code=0, assignment=b"\x00"))
    assert "cannot be read" in str(one.machine.error)


def test_a_strategy_that_nobody_offered_fails():
    world = World()
    one = world.add("A")
    (_, number, _) = world.wire.pop()
    answer = JoinGroupResponse(
        error_code=0,
        generation_id=1,
        protocol_name="other",
        leader="x",
        member_id="y",
        members=[],
    )
    world.answer(one, number, answer)
    assert "'other'" in str(one.machine.error)


def test_an_answer_to_a_question_of_long_ago_is_nothing():
    _world, one = settled("A")
    before = one.machine.state
    assert one.machine.answered(1, KafkaError.of(ErrorCode.UNKNOWN_MEMBER_ID), 0) == []
    assert one.machine.state is before


def test_a_join_that_is_lost_is_sent_again_after_a_backoff():
    world = World()
    one = world.add("A")
    world.lose()
    assert kinds(world) == []
    world.tick(one.machine.deadline_ms())
    assert kinds(world) == ["JoinGroup"]


def test_the_leader_asks_for_another_generation_when_a_topic_grows():
    world, one, two = settled("A", "B")
    leader = next(each for each in (one, two) if each.machine.is_leader)
    world.partition_count = 8
    world.perform(leader, leader.machine.counted_again({TOPIC: 8}, world.now_ms))
    world.settle()
    assert sorted(one.owned + two.owned) == list(range(8))
    assert leader.machine.counted_again({TOPIC: 8}, world.now_ms) == []


def test_other_topics_are_another_subscription():
    world, one = settled("A")
    world.perform(one, one.machine.subscribe([TOPIC, "u"], world.now_ms))
    assert one.machine.state is State.GIVING_UP
    world.settle()
    assert one.machine.state is State.STABLE
    assert one.machine.subscribe([TOPIC, "u"], world.now_ms) == []


def test_who_leaves_says_so_and_its_partitions_go_to_others():
    world, one, two = settled("A", "B")
    world.perform(one, one.machine.leave())
    assert kinds(world)[-1] == "LeaveGroup"
    one.is_dead = True
    world.settle()
    assert two.owned == [0, 1, 2, 3, 4, 5]


def test_a_static_member_does_not_say_goodbye_and_finds_its_partitions_again():
    world = World()
    first, two = world.add("A", is_static=True), world.add("B", is_static=True)
    world.settle()
    before, generation = first.owned, two.machine.generation
    assert first.machine.leave() == []
    first.is_dead = True
    again = world.add("A", is_static=True)
    world.settle()
    assert again.owned == before
    assert two.machine.generation == generation


def test_commits_of_an_older_generation_say_nothing_of_this_one():
    world, one = settled("A")
    code = ErrorCode.ILLEGAL_GENERATION
    assert one.machine.commit_refused(code, one.machine.generation - 1, world.now_ms) == []
    assert one.machine.state is State.STABLE


def test_requests_carry_the_group_the_member_and_the_generation():
    world, one = settled("A")
    world.tick(world.now_ms + HEARTBEAT_MS)
    ((_, _, heartbeat),) = world.wire
    assert isinstance(heartbeat, HeartbeatRequest)
    assert (heartbeat.group_id, heartbeat.member_id) == ("g", one.machine.member_id)
    assert heartbeat.generation_id == one.machine.generation
    world.wire.clear()
    world.perform(one, one.machine.leave())
    ((_, _, leave),) = world.wire
    assert isinstance(leave, LeaveGroupRequest)
    assert leave.members[0].member_id == one.machine.member_id


def test_a_join_says_how_long_others_have_to_wait():
    world = World()
    world.add("A")
    ((_, _, join),) = world.wire
    assert isinstance(join, JoinGroupRequest)
    assert (join.session_timeout_ms, join.rebalance_timeout_ms) == (SESSION_MS, POLL_MS)


def test_a_heartbeat_of_the_generation_before_says_nothing_of_this_one():
    world, one = settled("A")
    world.tick(world.now_ms + HEARTBEAT_MS)
    ((_, number, _),) = world.wire
    world.wire.clear()
    world.perform(one, one.machine.subscribe([TOPIC, "u"], world.now_ms))
    world.settle()
    world.answer(one, number, HeartbeatResponse(error_code=ErrorCode.ILLEGAL_GENERATION))
    assert not one.machine.has_news


def test_there_is_no_place_in_the_group_until_the_user_has_heard_of_the_loss():
    world, one = settled("A")
    assert one.machine.has_place
    world.perform(
        one,
        one.machine.commit_refused(
            ErrorCode.ILLEGAL_GENERATION, one.machine.generation, world.now_ms
        ),
    )
    world.settle(rounds=40, but=[one])
    assert one.machine.state is State.TAKING
    assert not one.machine.has_place
    assert one.machine.begin_change().lost == partitions(*range(6))
    assert not one.machine.has_place
    one.machine.end_change(world.now_ms)
    assert one.machine.has_place


def test_a_commit_of_a_generation_that_passes_while_a_join_is_on_its_way_loses_nothing():
    world, one = settled("A", strategies=["cooperative-sticky"])
    generation, code = one.machine.generation, ErrorCode.ILLEGAL_GENERATION
    assert not one.machine.keeps(partitions(0), generation)
    world.perform(one, one.machine.subscribe([TOPIC, "u"], world.now_ms))
    assert one.machine.state is State.JOINING
    assert one.machine.commit_refused(code, generation, world.now_ms) == []
    assert one.machine.keeps(partitions(0), generation)
    world.settle(rounds=40, but=[one])
    assert one.machine.keeps(partitions(0, 5), generation)
    assert not one.machine.keeps(partitions(0, 6), generation)
    assert not any(change.lost for change in one.changes)


def test_a_coordinator_that_hands_out_member_ids_without_end_fails():
    world = World()
    one = world.add("A")
    for member_id in ("A-1", "A-2"):
        (_, number, _) = world.wire.pop()
        answer = JoinGroupResponse(
            error_code=ErrorCode.MEMBER_ID_REQUIRED,
            generation_id=-1,
            leader="",
            member_id=member_id,
            members=[],
        )
        world.answer(one, number, answer)
    assert one.machine.error.code is ErrorCode.MEMBER_ID_REQUIRED
    assert not world.wire
