"""Three controllers on real sockets: they elect, commit, lose a leader, catch up, are followed."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from minikafka.broker.controller.decide import Decision
from minikafka.broker.controller.image import Image
from minikafka.broker.controller.metadata_log import METADATA_DIRECTORY
from minikafka.broker.controller.quorum_state import QUORUM_STATE
from minikafka.broker.controller.raft import Raft
from minikafka.broker.controller.unavailable import ControllerUnavailable
from minikafka.broker.log.checkpoints import CorruptCheckpoint
from minikafka.broker.log.recovery import Confirmed
from minikafka.broker.log.scan import CorruptLog
from minikafka.protocol.control import Done, Heartbeat, Refused
from minikafka.protocol.errors import ErrorCode

from ..replica.unreliable_files import BROKEN, FULL, UnreliableFiles
from .quorum_cluster import ControllerNode, Nodes, cluster, reserving, until


def log_bytes(node: ControllerNode) -> bytes:
    """The metadata log as it lies on a node's disk."""
    return (node.data_dir / METADATA_DIRECTORY / f"{0:020d}.log").read_bytes()


async def others(nodes: Nodes) -> list[ControllerNode]:
    """Those who follow."""
    leader = await nodes.leader()
    return [each for each in nodes.up if each is not leader]


async def test_three_elect_one_and_make_one_cluster(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        leader = await nodes.leader()
        ids = {await each.controller.wait_for_cluster() for each in nodes.up}
        assert len(ids) == 1
        await nodes.settle()
        assert {each.controller.image.controller_id for each in nodes.up} == {leader.id}
        assert leader.events == ["active"]
        assert [each.controller.is_active for each in nodes.up].count(True) == 1


async def test_what_is_committed_reaches_every_node_with_its_offset(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        leader = await nodes.leader()
        for _ in range(20):
            decision = await leader.controller.submit(reserving(1))
            assert decision.error_code is ErrorCode.NONE
        await nodes.settle()
        assert {each.controller.image.next_producer_id for each in nodes.up} == {20_000}
        assert [each.heard for each in nodes.up] == [leader.heard] * 3
        assert [at for at, _ in leader.heard] == list(range(leader.controller.end_offset))
        assert len({log_bytes(each) for each in nodes.up}) == 1


async def test_a_killed_leader_is_replaced_and_comes_back_as_a_follower(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        first = await nodes.leader()
        await first.controller.submit(reserving(1))
        await first.kill()
        second = await nodes.leader()
        assert second is not first
        assert second.controller.image.next_producer_id == 1000
        assert (await second.controller.submit(reserving(1))).error_code is ErrorCode.NONE
        await first.start()
        await nodes.settle()
        assert first.controller.image == second.controller.image
        assert log_bytes(first) == log_bytes(second)
        assert not first.controller.is_active


async def test_all_come_back_with_what_they_had(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        leader = await nodes.leader()
        await leader.controller.submit(reserving(1))
        await nodes.settle()
        cluster_id, epoch = leader.controller.cluster_id, leader.controller.epoch
        for node in nodes.up:
            await node.kill()
        for node_id in (1, 2, 3):
            await nodes[node_id].start()
        leader = await nodes.leader()
        assert leader.controller.cluster_id == cluster_id
        assert leader.controller.image.next_producer_id == 1000
        assert leader.controller.epoch > epoch


async def test_what_the_checkpoint_says_is_committed_is_applied_at_the_start(
    tmp_path: Path,
) -> None:
    async with cluster(tmp_path) as nodes:
        await (await nodes.leader()).controller.submit(reserving(1))
        await nodes.settle()
        for node in nodes.up:
            await node.kill()
        await nodes[1].start()
        assert nodes[1].controller.image.next_producer_id == 1000
        assert nodes[1].controller.leader_id == -1
        await nodes[1].kill()
        nodes[1].confirmed = Confirmed()
        await nodes[1].start()
        assert nodes[1].controller.image == Image()


async def test_a_leader_that_is_alone_answers_what_waits_and_resigns(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        leader = await nodes.leader()
        await nodes.settle()
        for node in await others(nodes):
            await node.kill()
        decision = await leader.controller.submit(reserving(1))
        assert decision.error_code is ErrorCode.REQUEST_TIMED_OUT
        assert leader.events == ["active", "resigned"]
        assert not leader.controller.is_active
        decision = await leader.controller.submit(reserving(1))
        assert decision.error_code is ErrorCode.NOT_CONTROLLER


async def test_a_log_that_parts_from_the_leaders_is_cut(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        first = await nodes.leader()
        await nodes.settle()
        for node in await others(nodes):
            await node.kill()
        answer = asyncio.ensure_future(first.controller.submit(reserving(7)))
        await until(lambda: first.controller.end_offset > first.controller.committed_offset)
        await first.kill()
        await answer
        for node_id in {1, 2, 3} - {first.id}:
            await nodes[node_id].start()
        second = await nodes.leader()
        await second.controller.submit(reserving(1))
        await first.start()
        await nodes.settle()
        assert log_bytes(first) == log_bytes(second)
        assert first.controller.image == second.controller.image


async def test_an_observer_follows_and_votes_not(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        observer = nodes.observe(4, 2, 3)
        await observer.start()
        leader = await nodes.leader()
        await leader.controller.submit(reserving(1))
        await nodes.settle()
        assert observer.controller.image == leader.controller.image
        assert observer.controller.cluster_id == leader.controller.cluster_id
        await leader.kill()
        assert (await nodes.leader()).id != 4


async def test_an_observer_waits_for_voters(tmp_path: Path) -> None:
    async with cluster(tmp_path, started=False) as nodes:
        observer = nodes.observe(4, 1)
        await observer.start()
        assert observer.controller.leader_id == -1
        for node_id in (1, 2, 3):
            await nodes[node_id].start()
        await nodes.settle()
        assert observer.controller.cluster_id


async def test_each_voter_is_pinned_to_its_disk(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        await nodes.leader()
        disks = {each: f"disk-{each}" for each in (1, 2, 3)}
        await until(lambda: all(each.controller.image.voters == disks for each in nodes.up))
        (follower, _) = await others(nodes)
        await follower.kill()
        for file in (follower.data_dir / METADATA_DIRECTORY).iterdir():
            file.unlink()
        (follower.data_dir / QUORUM_STATE).unlink()
        follower.confirmed = Confirmed()
        follower.members = replace(follower.members, directory_id="another disk")
        await follower.start()
        await nodes.settle()
        assert isinstance(follower.controller._quorum._raft, Raft)
        assert not follower.controller._quorum._raft.is_voter


async def test_the_active_controller_answers_whoever_asks(tmp_path: Path) -> None:
    async def answer(question: Heartbeat, connection: object) -> Done:
        connections.append(connection)
        return Done(question.epoch)

    async with cluster(tmp_path) as nodes:
        leader, (follower, other) = await nodes.leader(), await others(nodes)
        await nodes.settle()
        connections: list[object] = []
        gone: list[object] = []
        leader.controller.on_disconnected.append(gone.append)
        beat = Heartbeat(1, 5, 0, False)
        refused = await follower.controller.ask(beat, 5000)
        assert isinstance(refused, Refused)
        assert refused.error == "UNSUPPORTED_VERSION"
        for node in nodes.up:
            node.controller.answerers[Heartbeat] = answer
        assert await leader.controller.ask(beat, 5000) == Done(5)
        for _ in range(3):
            assert await follower.controller.ask(beat, 5000) == Done(5)
        assert connections[0] is None
        assert connections[1] is connections[3] is not None
        await follower.kill()
        await until(lambda: connections[1] in gone)
        answer_of_follower = await other.controller._peers.ask(leader.id, beat, 5000)
        assert answer_of_follower == Done(5)


async def test_who_is_not_active_refuses_and_without_a_leader_nobody_can_be_asked(
    tmp_path: Path,
) -> None:
    async with cluster(tmp_path) as nodes:
        leader, (follower, other) = await nodes.leader(), await others(nodes)
        await nodes.settle()
        assert other.controller._peers is not None
        refused = await other.controller._peers.ask(follower.id, Heartbeat(1, 5, 0, False), 5000)
        assert isinstance(refused, Refused)
        assert refused.error == "NOT_CONTROLLER"
        await leader.kill()
        await other.kill()
        with pytest.raises(ControllerUnavailable):
            await follower.controller.ask(Heartbeat(1, 5, 0, False), 200)


async def test_a_slow_question_holds_up_neither_others_nor_raft(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def answer(question: Heartbeat, connection: object) -> Done:
        if question.broker_id == 1:
            await gate.wait()
        return Done(0)

    async with cluster(tmp_path) as nodes:
        leader, (follower, other) = await nodes.leader(), await others(nodes)
        await nodes.settle()
        leader.controller.answerers[Heartbeat] = answer
        waits = asyncio.ensure_future(follower.controller.ask(Heartbeat(1, 0, 0, False), 20_000))
        assert await other.controller.ask(Heartbeat(2, 0, 0, False), 5000) == Done(0)
        assert (await leader.controller.submit(reserving(1))).error_code is ErrorCode.NONE
        gate.set()
        assert await waits == Done(0)


async def test_a_torn_tail_is_cut_and_fetched_anew(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        leader, (follower, _) = await nodes.leader(), await others(nodes)
        await nodes.settle()
        follower.confirmed = follower.controller.confirmed
        confirmed = follower.controller.confirmed
        await leader.controller.submit(reserving(1))
        await nodes.settle()
        await follower.kill()
        follower.confirmed = confirmed
        path = follower.data_dir / METADATA_DIRECTORY / f"{0:020d}.log"
        path.write_bytes(path.read_bytes()[:-5])
        await follower.start()
        await nodes.settle()
        assert log_bytes(follower) == log_bytes(leader)


async def test_a_committed_record_that_is_damaged_halts_the_node(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        follower, _ = await others(nodes)
        await nodes.settle()
        await follower.kill()
        path = follower.data_dir / METADATA_DIRECTORY / f"{0:020d}.log"
        data = bytearray(path.read_bytes())
        data[100] ^= 1
        path.write_bytes(data)
        with pytest.raises(CorruptLog):
            await follower.start()
        assert path.read_bytes() == data


async def test_a_vote_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        follower, _ = await others(nodes)
        await follower.kill()
        (follower.data_dir / QUORUM_STATE).write_bytes(b"{}")
        with pytest.raises(CorruptCheckpoint, match=rf"{QUORUM_STATE} cannot be used"):
            await follower.start()


async def on_unreliable_disks(nodes: Nodes) -> tuple[dict[int, UnreliableFiles], ControllerNode]:
    """Start three nodes, each on a disk that can be told to fail; the disks, and who leads."""
    disks = {each: UnreliableFiles() for each in (1, 2, 3)}
    for node_id, files in disks.items():
        nodes[node_id].files = files
        await nodes[node_id].start()
    leader = await nodes.leader()
    await nodes.settle()
    return disks, leader


async def test_a_leader_without_room_refuses_until_there_is(tmp_path: Path) -> None:
    async with cluster(tmp_path, started=False) as nodes:
        disks, leader = await on_unreliable_disks(nodes)
        end_offset = leader.controller.end_offset
        disks[leader.id].append_error = FULL
        decision = await leader.controller.submit(reserving(1))
        assert decision.error_code is ErrorCode.KAFKA_STORAGE_ERROR
        assert leader.controller.end_offset == end_offset
        disks[leader.id].append_error = None
        assert (await leader.controller.submit(reserving(1))).error_code is ErrorCode.NONE


async def test_a_disk_that_fails_ends_the_node_and_the_others_go_on(tmp_path: Path) -> None:
    async with cluster(tmp_path, started=False) as nodes:
        disks, leader = await on_unreliable_disks(nodes)
        disks[leader.id].flush_error = BROKEN
        with pytest.raises(type(BROKEN)):
            await leader.controller.submit(reserving(1))
        assert leader.failures == [BROKEN]
        leader.is_up = False
        await leader.cut_off()
        second = await nodes.leader()
        assert (await second.controller.submit(reserving(1))).error_code is ErrorCode.NONE


async def test_voters_that_disagree_do_not_talk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with cluster(tmp_path, started=False) as nodes:
        members = nodes[3].members
        voters = {each: members.voters[each] for each in (2, 3)}
        nodes[3].members = replace(members, voters=voters)
        await nodes[3].start()
        await nodes[2].start()
        await until(lambda: "with voters [2, 3], and this node with [1, 2, 3]" in caplog.text)
        await until(lambda: "with voters [1, 2, 3], and this node with [2, 3]" in caplog.text)
        assert [each.controller.leader_id for each in nodes.up] == [-1, -1]


async def test_too_many_changes_at_once_are_refused(tmp_path: Path) -> None:
    async with cluster(tmp_path, count=1) as nodes:
        record = {"type": "ProducerIdsReserved", "broker_id": 1, "next_producer_id": 5}
        large = Decision([record | {"note": "x" * 1000}] * 2000)
        decision = await nodes[1].controller.submit(lambda image: large)
        assert decision.error_code is ErrorCode.POLICY_VIOLATION


async def test_a_long_log_is_caught_up_with_in_several_answers(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        leader, (follower, _) = await nodes.leader(), await others(nodes)
        await follower.kill()
        record = {"type": "ProducerIdsReserved", "broker_id": 1, "next_producer_id": 5}
        large = Decision([record | {"note": "x" * 1000}] * 700)
        for _ in range(4):
            assert (await leader.controller.submit(lambda image: large)).error_code == 0
        for _ in range(600):
            await leader.controller.submit(reserving(1))
        await follower.start()
        await nodes.settle()
        assert log_bytes(follower) == log_bytes(leader)


async def test_the_leader_reports_how_far_everybody_is(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        await nodes.observe(4, 1).start()
        leader, (follower, *_) = await nodes.leader(), await others(nodes)
        await nodes.settle()
        await leader.controller.submit(reserving(1))
        await nodes.settle()
        end_offset = leader.controller.end_offset

        def is_told() -> bool:
            state = leader.controller.quorum_state()
            assert state is not None
            told = (*state.voters, *state.observers)
            return [each.log_end_offset for each in told] == [end_offset] * 4

        await until(is_told)
        state = leader.controller.quorum_state()
        assert state is not None
        assert [each.node_id for each in state.voters] == [1, 2, 3]
        assert [each.node_id for each in state.observers] == [4]
        assert (state.leader_id, state.high_watermark) == (leader.id, end_offset)
        assert [each.voter_id for each in state.addresses] == [1, 2, 3]
        assert all(each.caught_up_ms > 0 for each in (*state.voters, *state.observers))
        assert follower.controller.quorum_state() is None
