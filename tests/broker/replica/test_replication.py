"""Historical losses of replicated records, and that they do not happen here. One test each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from minikafka.broker.controller.decide import Decision
from minikafka.broker.controller.image import Standing
from minikafka.broker.log.files import StorageError
from minikafka.broker.replica.following import ReplicaHalted
from minikafka.protocol.api.fetch import EpochEndOffset
from minikafka.protocol.errors import ErrorCode

from ...sim.crash import Way
from ...sim.faults import ENOSPC, NO_FAULT, Fault
from ..in_process import batch_of
from .replica_world import MAX_LAG_MS, TOPIC_ID, WALL_MS, World


@pytest.fixture
def world() -> World:
    """Three brokers, all in sync, the first leads; min.insync.replicas is 2."""
    return World()


def replicate(world: World, *values: bytes) -> None:
    """Let the leader, and all that follow it, have these records, acknowledged."""
    leader = world.now.leader
    for value in values:
        world.produce(leader, value)
    followers = [each for each in world.now.isr if each != leader]
    world.fetch(*followers, rounds=3)
    world.check()


@contextmanager
def full_disk(world: World, broker_id: int) -> Iterator[None]:
    """A broker finds no room meanwhile."""
    disk = world.brokers[broker_id].disk
    disk.fault = Fault("write", 1, ENOSPC, stays=True)
    yield
    disk.fault = NO_FAULT


def test_what_is_acknowledged_outlives_a_restart_and_the_leader_behind_it(world: World) -> None:
    """KIP-101: the follower cut its log to a high watermark that lagged, and was elected."""
    world.produce(1, b"a")
    world.fetch(2, 3)
    world.fetch(2, 3)
    assert [acked.value for acked in world.acked] == [b"a"]
    assert world.partition(2).high_watermark == 0
    world.crash(2)
    world.restart(2)
    world.settled()
    assert world.values(2) == {0: b"a"}
    world.stand(2, Standing.UNFENCED)
    world.settled()
    world.fetch(2)
    assert world.change_isr(1) is ErrorCode.NONE
    world.crash(1)
    world.stand(1, Standing.FENCED)
    world.settled()
    assert world.now.leader == 2
    assert world.values(2) == {0: b"a"}
    world.check()


def test_logs_that_parted_in_two_elections_end_equal(world: World) -> None:
    """KIP-279: an epoch that the leader had never seen was not asked about in the right way."""
    replicate(world, b"a")
    world.produce(1, b"lost in epoch 0", acks=1)
    world.elect(2)
    world.settled()
    world.produce(2, b"lost in epoch 1", acks=1)
    world.elect(3)
    world.settled()
    world.produce(3, b"kept", acks=1)
    world.fetch(1, 2, rounds=2)
    kept = {0: b"a", 1: b"kept"}
    assert [world.values(each) for each in (1, 2, 3)] == [kept] * 3
    epochs = world.partition(3).epochs.entries
    assert [world.partition(each).epochs.entries for each in (1, 2)] == [epochs] * 2
    world.check()


def test_a_fetch_in_another_leader_epoch_is_fenced(world: World) -> None:
    """KIP-320: who had not heard of an election was served, or served, in the wrong epoch."""
    replicate(world, b"a")
    world.produce(1, b"b", acks=1)
    late = world.ask(3)
    world.elect(2)
    world.settled(1)
    assert late is not None
    before = world.partition(1).high_watermark
    assert world.answer(late).error_code == ErrorCode.FENCED_LEADER_EPOCH
    assert world.partition(1).high_watermark == before
    world.settled(3)
    early = world.ask(3, leader_id=2)
    assert early is not None
    assert world.answer(early).error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
    world.settled(2)
    assert world.answer(early).error_code == ErrorCode.NONE
    world.check()


def test_an_answer_of_an_earlier_leader_epoch_is_not_taken(world: World) -> None:
    replicate(world, b"a")
    world.produce(1, b"b", acks=1)
    question = world.ask(3)
    assert question is not None
    answer = world.answer(question)
    world.elect(2)
    world.settled()
    assert not world.hear(question, answer)
    assert world.values(3) == {0: b"a"}


def test_epochs_without_records_are_known_and_forgotten_in_one_round(world: World) -> None:
    """KAFKA-7415, KAFKA-10706: elections without records ended in truncations without end."""
    replicate(world, b"a")
    for leader in (2, 3, 2):
        world.elect(leader)
        world.settled()
        partition = world.partition(leader)
        assert partition.epochs.entries[-1] == (world.now.leader_epoch, 1)
    world.produce(2, b"b", acks=1)
    assert world.partition(3).epochs.entries == [(0, 0), (2, 1)]
    assert world.fetch(3).diverging_epoch == EpochEndOffset(epoch=0, end_offset=1)
    assert world.partition(3).epochs.entries == [(0, 0)]
    world.fetch(1, 3)
    for follower in (1, 3):
        assert world.values(follower) == {0: b"a", 1: b"b"}
        assert world.partition(follower).epochs.entries == [(0, 0), (3, 1)]
    world.check()


@pytest.mark.parametrize("way", [Way.NOTHING, Way.KILLED])
def test_epoch_0_is_known_after_a_crash(world: World, way: Way) -> None:
    """KAFKA-10432: recovery passed epoch 0 over."""
    replicate(world, b"a")
    for each in (1, 2):
        world.crash(each, way)
        world.restart(each)
        world.settled()
        assert world.partition(each).epochs.entries[0] == (0, 0)


def test_no_high_watermark_is_taken_with_a_diverging_epoch(world: World) -> None:
    """KAFKA-14704: the follower's own records seemed committed that it was to cut."""
    replicate(world, b"a")
    world.produce(1, b"not committed", acks=1)
    assert world.partition(1).high_watermark == 1
    world.elect(2)
    world.settled()
    world.produce(2, b"b")
    world.produce(2, b"c")
    world.fetch(3, rounds=3)
    assert world.partition(2).high_watermark == 3
    question = world.ask(1)
    assert question is not None
    answer = world.answer(question)
    assert answer.diverging_epoch.epoch == 0
    assert answer.high_watermark == 3
    world.hear(question, answer)
    assert world.partition(1).high_watermark == 1
    world.check()


def test_a_first_attempt_that_comes_after_a_second_was_refused_is_refused_too(world: World) -> None:
    """Two attempts go over two connections; between them the follower was fenced, and came back."""
    world.stand(3, Standing.FENCED)
    world.stand(3, Standing.UNFENCED)
    world.settled()
    replicate(world, b"a")
    world.fetch(3, rounds=2)
    proposal = world.propose(1)
    world.stand(3, Standing.FENCED)
    assert world.decide_isr(1, proposal) is ErrorCode.INELIGIBLE_REPLICA
    world.hear_isr(1, proposal, ErrorCode.INELIGIBLE_REPLICA)
    world.stand(3, Standing.UNFENCED)
    assert world.decide_isr(1, proposal) is ErrorCode.INVALID_UPDATE_VERSION
    world.check()


def test_an_isr_counts_once_all_that_was_decided_before_it_is_known(world: World) -> None:
    """More replicas in sync are asked for, and the leader hears of a smaller ISR before that."""
    world = World(min_isr=1)
    replicate(world, b"a")
    world.clock.now_ms += MAX_LAG_MS + 1
    world.produce(1, b"b")
    world.partition(1).shrink_isr(world.clock.now_ms)
    world.set_min_isr(2)
    proposal = world.propose(1)
    world.hear_isr(1, proposal, world.decide_isr(1, proposal))
    assert (world.now.isr, world.now.elr) == ((1,), (2, 3))
    assert world.partition(1).high_watermark == 1
    world.check()
    world.settled()
    assert world.partition(1).isr == (1,)
    assert world.partition(1).high_watermark == 1
    world.check()


def test_the_last_replica_that_stands_still_has_everything(world: World) -> None:
    """KAFKA-15583, KIP-966: below min.insync.replicas nothing is acknowledged, even afterwards."""
    replicate(world, b"a")
    for each in (2, 3):
        world.crash(each)
        world.stand(each, Standing.FENCED)
    world.settled()
    assert (world.now.isr, world.now.elr) == ((1,), (3,))
    assert world.produce(1, b"b").error_code is ErrorCode.NOT_ENOUGH_REPLICAS
    world.produce(1, b"b", acks=1)
    assert world.partition(1).high_watermark == 1
    world.crash(1)
    world.restart(1, wiped=True)
    world.stand(1, Standing.UNFENCED)
    assert (world.now.isr, world.now.leader) == ((), -1), "it has lost what it had"
    world.restart(3)
    world.stand(3, Standing.UNFENCED)
    world.settled()
    assert world.now.leader == 3
    assert world.values(3) == {0: b"a"}
    world.check()


def test_a_replica_that_lost_its_disk_does_not_join_by_an_earlier_fetch(world: World) -> None:
    """KAFKA-13916, KAFKA-14617, KAFKA-14140: what it had then said nothing of what it has now."""
    replicate(world, b"a")
    world.stand(3, Standing.FENCED)
    world.stand(3, Standing.UNFENCED)
    world.settled()
    assert world.now.isr == (1, 2)
    late = world.ask(3)
    assert late is not None
    world.answer(late)
    leader_id, proposal = world.proposals.pop()
    assert (leader_id, proposal.isr) == (1, (1, 2, 3))
    world.crash(3)
    world.restart(3, wiped=True)
    world.stand(3, Standing.UNFENCED)
    assert world.decide_isr(1, proposal) is ErrorCode.INELIGIBLE_REPLICA
    world.settled()
    world.hear_isr(1, proposal, world.decide_isr(1, proposal))
    assert world.partition(1).isr_proposal is None
    assert world.answer(late).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert world.partition(1).isr_proposal is None
    assert world.now.isr == (1, 2)
    world.check()


def test_a_fetch_as_an_earlier_registration_moves_no_high_watermark(world: World) -> None:
    replicate(world, b"a")
    world.produce(1, b"b")
    world.fetch(2)
    late = world.ask(3)
    world.fetch(2, 3)
    again = world.ask(3)
    assert late is not None
    assert again is not None
    world.crash(3)
    world.restart(3, wiped=True)
    world.settled(1)
    assert world.answer(again).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    in_sync = world.partition(1).in_sync
    assert in_sync is not None
    assert in_sync.followers[3].log_end_offset == 1


def test_who_waits_for_acks_when_the_lead_is_lost_is_told_so(world: World) -> None:
    appended = world.produce(1, b"a")
    assert world.partition(1).acks_outcome(appended) is None
    world.elect(2)
    world.settled(1)
    assert world.partition(1).acks_outcome(appended) is ErrorCode.NOT_LEADER_OR_FOLLOWER
    refused = world.produce(1, b"b", acks=1)
    assert refused.error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert world.acked == []


def test_what_was_cut_meanwhile_is_not_acknowledged_when_the_lead_comes_back(world: World) -> None:
    """Who waits for two partitions is not done when one of them is lost, and may ask again late."""
    replicate(world, b"a")
    lost = world.append(1, b"lost")
    world.brokers[1].waiting.clear()
    world.elect(2)
    world.settled()
    world.produce(2, b"b", acks=1)
    world.fetch(1, 3, rounds=2)
    world.change_isr(2)
    world.settled()
    world.elect(1)
    world.settled()
    replicate(world, b"c")
    assert world.partition(1).high_watermark > lost.next_offset
    assert world.partition(1).acks_outcome(lost) is ErrorCode.NOT_LEADER_OR_FOLLOWER


def test_who_leads_on_in_a_new_epoch_acknowledges_what_waited(world: World) -> None:
    waiting = world.append(1, b"a")
    world.brokers[1].flush()
    before = world.now
    epochs = {"leader_epoch": before.leader_epoch + 1, "partition_epoch": 1}
    record = {"type": "PartitionChanged", "topic_id": TOPIC_ID, "index": 0, **epochs}
    world._decide(Decision([record]))
    world.settled()
    assert world.partition(1).acks_outcome(waiting) is None
    world.fetch(2, 3, rounds=2)
    assert world.partition(1).acks_outcome(waiting) is ErrorCode.NONE


def test_a_retry_of_what_the_followers_lack_waits_as_the_first_did(world: World) -> None:
    partition, batch = world.partition(1), batch_of(b"a", producer=(7, 0, 0))
    first = partition.append(memoryview(bytearray(batch)), WALL_MS, -1)
    partition.write()
    world.brokers[1].flush()
    retry = partition.append(memoryview(bytearray(batch)), WALL_MS, -1)
    assert (retry.error_code, retry.base_offset) == (0, first.base_offset)
    assert partition.acks_outcome(retry) is None
    world.fetch(2, 3, rounds=2)
    assert partition.acks_outcome(retry) is ErrorCode.NONE
    assert partition.log.log_end_offset == 1


def test_who_only_seems_to_lead_when_it_starts_writes_no_epoch_down(world: World) -> None:
    """The log may have lost its end: no epoch begins there, and the next leader knows better."""
    replicate(world, b"a")
    led = replace(world.now, leader_epoch=5)
    partition = world.partition(2)
    partition.suspend(True)
    partition.lead(led, {}, 0)
    assert partition.epochs.entries == [(0, 0)]
    partition.suspend(False)
    assert partition.epochs.entries == [(0, 0), (5, 1)]


def test_who_leads_alone_takes_all_that_is_flushed_when_it_may_serve_again(world: World) -> None:
    partition = world.partition(1)
    alone = replace(world.now, replicas=(1,), isr=(1,), leader_epoch=5)
    world.produce(1, b"a")
    partition.suspend(True)
    partition.lead(alone, {}, 0)
    assert partition.high_watermark == 0
    partition.suspend(False)
    assert partition.high_watermark == 1


def test_a_leader_out_of_the_controllers_reach_serves_nobody(world: World) -> None:
    replicate(world, b"a")
    waiting = world.produce(1, b"b")
    partition = world.partition(1)
    partition.suspend(True)
    assert partition.acks_outcome(waiting) is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert partition.refuse_as_leader(0) is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert world.fetch(2).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    partition.suspend(False)
    assert partition.refuse_as_leader(0) is ErrorCode.NONE
    world.fetch(2, 3, rounds=2)
    assert partition.high_watermark == 2


def test_a_new_leader_does_not_know_the_high_watermark_at_once(world: World) -> None:
    world.produce(1, b"a")
    world.fetch(2, 3)
    world.fetch(2, 3)
    assert world.partition(2).high_watermark == 0
    world.elect(2)
    world.settled()
    partition = world.partition(2)
    assert not partition.is_high_watermark_known
    assert partition.high_watermark == 0
    world.fetch(3)
    assert partition.is_high_watermark_known
    assert partition.high_watermark == 1


def test_a_follower_behind_the_leaders_log_begins_anew_at_its_start(world: World) -> None:
    replicate(world, b"a", b"b")
    world.crash(3)
    world.stand(3, Standing.FENCED)
    world.settled()
    replicate(world, b"c", b"d")
    assert world.partition(1).delete_records(3) is ErrorCode.NONE
    world.brokers[3].save_checkpoints()
    world.restart(3)
    world.stand(3, Standing.UNFENCED)
    world.settled()
    answer = world.fetch(3)
    assert answer.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    follower = world.partition(3)
    assert (follower.log.log_start_offset, follower.log.log_end_offset) == (3, 3)
    world.fetch(3)
    assert world.values(3) == {3: b"d"}
    assert follower.epochs.entries == [(0, 3)]
    world.brokers[3].save_checkpoints()
    world.crash(3)
    world.restart(3)
    assert world.values(3) == {3: b"d"}


def test_a_log_that_starts_within_a_batch_starts_so_at_the_follower(world: World) -> None:
    world.produce(1, b"a", b"b", b"c")
    world.fetch(2, rounds=2)
    world.fetch(3, rounds=1)
    world.crash(3)
    world.restart(3, wiped=True)
    world.stand(3, Standing.UNFENCED)
    world.settled()
    world.fetch(2, rounds=2)
    assert world.partition(1).delete_records(2) is ErrorCode.NONE
    world.fetch(3, rounds=3)
    follower = world.partition(3)
    assert (follower.log.log_start_offset, follower.log.log_end_offset) == (2, 3)
    assert follower.log.segments[0].base_offset == 0


def test_a_replica_stops_rather_than_cut_what_may_be_acknowledged(world: World) -> None:
    replicate(world, b"a", b"b")
    follower = world.partition(2)
    with pytest.raises(ReplicaHalted, match="orders-0: the leader has nothing of ours from off"):
        follower.truncate_to_diverging(0, 1)
    assert world.values(2) == {0: b"a", 1: b"b"}


def test_after_an_unclean_election_the_leaders_log_counts(world: World) -> None:
    replicate(world, b"a")
    world.stand(3, Standing.FENCED)
    world.stand(3, Standing.UNFENCED)
    world.settled()
    replicate(world, b"b")
    image = world.now
    unclean = type(image)(
        0, image.replicas, (3,), 3, image.leader_epoch + 1, image.partition_epoch + 1
    )
    follower = world.partition(2)
    follower.follow(unclean)
    follower.truncate_to_diverging(0, 1)
    assert world.values(2) == {0: b"a"}
    assert follower.high_watermark == 1


def test_a_log_is_cut_below_no_checkpoint_on_disk(world: World) -> None:
    replicate(world, b"a")
    world.produce(1, b"b", b"c", acks=1)
    world.brokers[1].save_checkpoints()
    world.elect(2)
    world.settled()
    world.fetch(1)
    assert world.values(1) == {0: b"a"}
    world.crash(1, Way.KILLED)
    world.restart(1)
    assert world.values(1) == {0: b"a"}


def test_what_was_cut_and_came_back_by_a_crash_is_cut_again(world: World) -> None:
    """No flush had confirmed the cut, but the epochs said already that nothing of 1 was there."""
    replicate(world, b"a")
    world.produce(1, b"b", acks=1)
    world.produce(1, b"c", acks=1)
    world.fetch(2)
    world.elect(3)
    world.settled()
    world.produce(3, b"x", acks=1)
    world.elect(2)
    world.settled()
    world.fetch(3)
    assert world.values(3) == {0: b"a"}
    world.crash(3, Way.NOTHING)
    world.restart(3)
    world.settled()
    assert world.values(3) == {0: b"a", 1: b"x"}
    world.fetch(3, rounds=2)
    assert world.values(3) == {0: b"a", 1: b"b", 2: b"c"}


def test_producers_follow_the_log_of_the_leader(world: World) -> None:
    def send(leader: int, sequence: int) -> ErrorCode:
        batch = batch_of(b"v%d" % sequence, producer=(9, 0, sequence))
        appended = world.partition(leader).append(memoryview(batch), WALL_MS, 1)
        world.partition(leader).write()
        world.brokers[leader].flush()
        return appended.error_code

    for sequence in range(3):
        assert send(1, sequence) is ErrorCode.NONE
        if sequence < 2:
            world.fetch(2, 3, rounds=2)
    world.elect(2)
    world.settled()
    assert send(2, 2) is ErrorCode.NONE, "a retry of what was lost is taken"
    assert send(2, 2) is ErrorCode.NONE
    assert world.partition(2).log.log_end_offset == 3, "and is a duplicate then"
    world.fetch(1, rounds=2)
    ours, theirs = (dict(world.partition(each).producers.items()) for each in (1, 2))
    assert [batch[:4] for batch in ours[9].batches] == [batch[:4] for batch in theirs[9].batches]


def test_an_epoch_that_found_no_room_is_on_disk_before_its_records(world: World) -> None:
    replicate(world, b"a")
    world.elect(2)
    world.settled()
    world.produce(2, b"b", acks=1)
    with full_disk(world, 3), pytest.raises(StorageError):
        world.fetch(3)
    world.fetch(3)
    assert world.values(3) == {0: b"a", 1: b"b"}
    world.crash(3, Way.KILLED)
    world.restart(3)
    assert world.partition(3).epochs.entries == [(0, 0), (1, 1)]


def test_an_epoch_is_on_disk_when_records_of_it_are_confirmed(world: World) -> None:
    replicate(world, b"a")
    for each in (2, 3):
        world.crash(each, Way.KILLED)
        world.restart(each)
        world.stand(each, Standing.UNFENCED)
        world.settled()
        world.fetch(each, rounds=2)
        assert world.change_isr(1) is ErrorCode.NONE
        world.settled()
    world.elect(2)
    world.settled()
    world.produce(2, b"b", acks=1)
    world.fetch(3, rounds=2)
    for each in (2, 3):
        world.brokers[each].save_checkpoints()
        world.crash(each, Way.NOTHING)
        world.restart(each)
        assert world.values(each) == {0: b"a", 1: b"b"}
        assert world.partition(each).epochs.entries == [(0, 0), (1, 1)]


def test_a_leader_without_room_for_its_epoch_leads_when_there_is_some(world: World) -> None:
    replicate(world, b"a")
    world.elect(2)
    with full_disk(world, 2), pytest.raises(StorageError):
        world.settled(2)
    assert not world.partition(2).is_leader
    world.brokers[2].take_role()
    assert world.partition(2).is_leader
    world.produce(2, b"b", acks=1)
    world.crash(2, Way.KILLED)
    world.restart(2)
    assert world.partition(2).epochs.entries == [(0, 0), (1, 1)]


def test_producers_follow_a_cut_log_though_its_epochs_find_no_room(world: World) -> None:
    replicate(world, b"a")
    batch = batch_of(b"lost", producer=(9, 0, 0))
    world.partition(1).append(memoryview(batch), WALL_MS, 1)
    world.partition(1).write()
    world.brokers[1].flush()
    world.elect(2)
    world.settled()
    world.produce(2, b"b", acks=1)
    with full_disk(world, 1), pytest.raises(StorageError):
        world.fetch(1)
    assert world.values(1) == {0: b"a"}
    assert len(world.partition(1).producers) == 0


def test_a_follower_that_stops_leaves_the_isr_and_joins_it_again(world: World) -> None:
    replicate(world, b"a")
    leader = world.partition(1)
    world.clock.now_ms += MAX_LAG_MS // 2
    world.fetch(2)
    leader.shrink_isr(world.clock.now_ms)
    assert leader.isr_proposal is None
    world.produce(1, b"b")
    world.clock.now_ms += MAX_LAG_MS // 2 + 1
    world.fetch(2, rounds=2)
    leader.shrink_isr(world.clock.now_ms)
    assert world.propose(1).isr == (1, 2)
    assert leader.high_watermark == 1, "it is proposed, not committed"
    world.change_isr(1)
    assert world.now.isr == (1, 2)
    assert leader.high_watermark == 2
    world.fetch(3, rounds=2)
    assert world.propose(1).isr == (1, 2, 3)
    world.change_isr(1)
    assert world.now.isr == (1, 2, 3)
    world.settled()
    world.check()


def test_a_moved_high_watermark_outlives_a_new_epoch(world: World) -> None:
    replicate(world, b"a", b"b")
    before = world.partition(2).high_watermark
    world.elect(2)
    world.settled()
    assert world.partition(2).high_watermark == before
