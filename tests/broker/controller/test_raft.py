"""Raft, played: elections, replication, truncation, snapshots, one scene a test."""

import pytest

from minikafka.broker.controller.raft import (
    ELECTION_TIMEOUT_MS,
    FETCH_TIMEOUT_MS,
    OUT_OF_REACH_MS,
)
from minikafka.broker.controller.raft_leader import CHECK_QUORUM_MS, FETCH_WAIT_MS, Leader
from minikafka.broker.controller.raft_log import RaftError, RaftLog
from minikafka.broker.controller.raft_messages import (
    NOBODY,
    UNKNOWN_OFFSET,
    Answer,
    Batch,
    Commit,
    EpochAndOffset,
    FetchRequest,
    FetchResponse,
    Outcome,
    Proposed,
    SaveVote,
    Vote,
    Voter,
    VoteRequest,
    VoteResponse,
)

from .raft_world import World


def test_a_sole_voter_leads_at_once():
    world = World(voters=1)
    assert world.states() == ["leader"]
    assert world.raft(1).is_ready
    handle = world.propose(1, "a")
    assert world.nodes[1].outcomes[handle] == "committed"
    world.run(60_000)
    assert world.states() == ["leader"]
    assert world.raft(1).epoch == 1


def test_a_sole_voter_leads_again_after_a_restart():
    world = World(voters=1)
    world.propose(1, "a")
    world.crash(1)
    world.boot(1)
    assert world.applied(1) == ["a"]
    assert world.raft(1).epoch == 2


def test_three_elect_one():
    world = World()
    world.stand(2)
    assert sorted(world.transcript[:4]) == [
        "1 to 2: pre-vote granted, epoch 0",
        "2 to 1: pre-vote, epoch 0",
        "2 to 3: pre-vote, epoch 0",
        "3 to 2: pre-vote granted, epoch 0",
    ]
    assert sorted(world.transcript[4:]) == [
        "1 to 2: vote granted, epoch 1",
        "2 to 1: vote, epoch 1",
        "2 to 3: vote, epoch 1",
        "3 to 2: vote granted, epoch 1",
    ]
    assert world.states() == ["unattached", "leader", "unattached"]
    world.run(200)
    assert world.states() == ["follower", "leader", "follower"]
    assert [world.raft(each).leader_id for each in (1, 2, 3)] == [2, 2, 2]


@pytest.mark.parametrize("voters", [2, 3, 4, 5])
def test_a_quorum_of_any_size_has_a_leader_soon(voters):
    world = World(voters)
    world.run(5000)
    assert sorted(world.states()) == ["follower"] * (voters - 1) + ["leader"]


@pytest.mark.parametrize("seed", range(20))
def test_those_who_start_together_do_not_wait_for_a_leader_that_cannot_be(seed):
    world = World(seed=seed)
    world.run(ELECTION_TIMEOUT_MS)
    assert "leader" in world.states()


def test_a_leader_that_is_followed_stays():
    world = World()
    world.elect(1)
    world.run(60_000)
    assert world.leader() == 1
    assert world.raft(1).epoch == 1


def test_a_split_vote_is_followed_by_another_election():
    world = World(voters=4)
    world.now_ms = 3000
    world.tick(1)
    world.tick(2)
    while any("pre-vote" in line for line in world.transcript) or not world.transcript:
        world.deliver()  # Both hear that they would be elected, before either stands.
        if len(world.transcript) == 12:
            break
    world.isolate(1, 3)
    world.settle()
    assert world.states()[:2] == ["candidate", "candidate"]
    assert [world.raft(each).vote.candidate.node_id for each in (1, 2, 3, 4)] == [1, 2, 1, 2]
    world.heal()
    world.run(6000)
    assert world.leader() is not None
    assert sorted(world.states()) == ["follower", "follower", "follower", "leader"]


def test_a_voter_gives_one_vote_an_epoch_and_says_so_again_when_asked_again():
    raft = World().raft(1)
    candidates = Voter(2, "disk-2"), Voter(3, "disk-3")
    requests = [
        VoteRequest(1, each, EpochAndOffset(0, 0), is_pre_vote=False) for each in candidates
    ]
    answers = []
    for request in (requests[0], requests[1], requests[0]):
        effects = raft.asked("handle", request, 0)
        while effects:
            effect = effects.pop(0)
            if isinstance(effect, SaveVote):
                effects += effect.then(0)
            else:
                answers.append(effect.response.is_granted)
    assert answers == [True, False, True]


def test_a_vote_is_answered_when_it_is_on_the_disk():
    raft = World().raft(1)
    request = VoteRequest(1, Voter(2, "disk-2"), EpochAndOffset(0, 0), is_pre_vote=False)
    (save,) = raft.asked("handle", request, 0)
    assert save.vote == Vote(1)
    assert raft.asked("other", request, 0) == []
    (save,) = save.then(0)
    assert save.vote == Vote(1, request.sender)
    answer, save = save.then(0)
    assert answer.handle == "handle"
    assert answer.response.is_granted
    (answer,) = save.then(0)
    assert answer.handle == "other"


def test_whoever_has_less_in_its_log_is_not_elected():
    world = World()
    world.elect(1)
    world.isolate(3)
    world.propose(1, "a")
    world.run(100)
    world.crash(1)
    world.heal()
    world.stand(3)
    assert world.transcript[-1] == "2 to 3: pre-vote refused, epoch 1"
    world.run(5000)
    assert world.leader() == 2
    assert world.applied(3) == ["a"]


def test_a_longer_log_of_an_older_epoch_is_not_elected():
    world = World()
    world.elect(1)
    world.isolate(1)
    world.propose(1, "a", "b", "c")
    world.stand(2)
    world.run(200, but=(1,))
    world.crash(2)
    world.heal()
    world.run(6000)
    assert world.leader() == 3
    assert world.values(1) == []


def test_what_was_voted_survives_a_crash():
    world = World()
    world.isolate(1)
    world.stand(2)
    world.crash(3)
    world.boot(3)
    assert world.raft(3).vote == Vote(1, Voter(2, "disk-2"))


def test_a_node_that_was_away_does_not_disturb():
    world = World()
    world.elect(1)
    world.isolate(3)
    world.run(20_000)
    assert world.states()[2] == "prospective"
    assert world.raft(3).epoch == 1
    world.heal()
    world.run(1000)
    assert world.states() == ["leader", "follower", "follower"]
    assert world.raft(1).epoch == 1


def test_a_follower_that_hears_its_leader_wants_no_other():
    world = World()
    world.elect(1)
    world.cuts = {(1, 3)}
    world.run(10_000)
    assert "2 to 3: pre-vote refused, epoch 1" in world.transcript
    assert world.leader() == 1
    assert world.raft(1).epoch == 1


def test_a_leader_without_followers_resigns_and_answers_all():
    world = World()
    world.elect(1)
    world.run(1000)
    world.isolate(1)
    handle = world.propose(1, "a")
    world.run(CHECK_QUORUM_MS - FETCH_WAIT_MS - 1, but=(2, 3))
    assert world.states()[0] == "leader"
    world.run(FETCH_WAIT_MS + 1, but=(2, 3))
    assert world.states()[0] != "leader"
    assert world.raft(1).leader_id == NOBODY
    assert world.nodes[1].outcomes[handle] == "unknown"
    assert world.nodes[1].outcomes[world.propose(1, "b")] == "not leader"


def test_a_leader_with_a_bare_majority_stays():
    world = World(voters=5)
    world.elect(1)
    world.isolate(4, 5)
    world.run(20_000, but=(4, 5))
    assert world.leader() == 1
    assert world.raft(1).epoch == 1


def test_followers_of_a_dead_leader_elect_another_within_two_seconds():
    worst_ms = 0
    for seed in range(30):
        world = World(seed=seed)
        world.elect(1)
        world.crash(1)
        start_ms = world.now_ms
        while world.leader() is None:
            world.run(10)
        worst_ms = max(worst_ms, world.now_ms - start_ms)
    assert worst_ms <= 2100


def test_a_leader_that_has_died_is_replaced_sooner_than_a_silent_one():
    worst_ms = 0
    for seed in range(30):
        world = World(seed=seed)
        world.elect(1)
        world.crash(1)
        world.tell_who_is_gone(1)
        start_ms = world.now_ms
        while world.leader() is None:
            world.run(10)
        worst_ms = max(worst_ms, world.now_ms - start_ms)
    assert worst_ms <= 5 * OUT_OF_REACH_MS + 10


def test_one_follower_that_cannot_reach_the_leader_does_not_disturb_it():
    world = World()
    world.elect(1)
    epoch = world.raft(1).epoch
    world.cuts |= {(1, 3), (3, 1)}
    for _ in range(20):
        raft = world.raft(3)
        if raft._asked is not None:
            world.perform(world.nodes[3], raft.unreachable(raft._asked, world.now_ms))
        world.run(100)
    assert (world.leader(), world.raft(1).epoch) == (1, epoch)


def test_a_late_word_that_nobody_was_there_changes_nothing():
    world = World()
    world.elect(1)
    before = world.raft(2).deadline_ms()
    assert world.raft(2).unreachable(0, world.now_ms) == []
    assert world.raft(2).deadline_ms() == before


def test_a_proposal_is_committed_when_a_majority_has_it():
    world = World()
    world.elect(1)
    world.isolate(1)
    handle = world.propose(1, "a", "b")
    world.run(100, but=(2, 3))
    assert handle not in world.nodes[1].outcomes
    world.cuts = {each for each in world.cuts if 3 in each}
    world.run(1000, but=(3,))
    assert world.nodes[1].outcomes[handle] == "committed"
    assert world.applied(1) == world.applied(2) == ["a", "b"]
    assert world.applied(3) == []


def test_followers_learn_at_once_what_is_committed():
    world = World()
    world.elect(1)
    world.run(1000)
    world.propose(1, "a")
    world.settle()
    assert [world.applied(each) for each in (1, 2, 3)] == [["a"]] * 3


def test_proposals_during_a_write_are_written_together():
    world = World(voters=1, slow_disks=True)
    while world.nodes[1].writes:
        world.finish_write(1)
    for value in "abc":
        world.propose(1, value)
    assert [each.data for each in world.nodes[1].writes[0].batches] == [("a",)]
    world.finish_write(1)
    assert [each.data for each in world.nodes[1].writes[0].batches] == [("b",), ("c",)]
    world.finish_write(1)
    assert world.applied(1) == ["a", "b", "c"]
    assert len(world.nodes[1].outcomes) == 3


def test_a_leader_does_not_count_itself_before_its_disk_has_it():
    world = World()
    world.elect(1)
    world.run(1000)
    world.slow_disks = True
    world.propose(1, "a")
    world.run(100)
    assert world.applied(1) == []
    assert world.values(2) == []


def test_what_an_old_leader_could_not_commit_gives_way():
    world = World()
    world.elect(1)
    world.isolate(1)
    lost = world.propose(1, "lost", "lost too")
    world.stand(2)
    world.run(200, but=(1,))
    world.propose(2, "kept")
    world.run(3000)
    assert world.nodes[1].outcomes[lost] == "unknown"
    world.heal()
    world.run(1000)
    assert world.leader() == 2
    assert [world.applied(each) for each in (1, 2, 3)] == [["kept"]] * 3


def test_an_old_leader_learns_of_its_successor_by_the_first_word():
    world = World()
    world.elect(1)
    world.isolate(1)
    handle = world.propose(1, "a")
    world.stand(2)
    assert world.states()[:2] == ["leader", "leader"]
    world.heal()
    world.run(200)
    assert world.nodes[1].outcomes[handle] in ("unknown", "not leader")
    assert world.leader() == 2


def test_logs_that_part_more_than_once_meet_again():
    """Each leads once and writes what nobody else gets: three logs, three epochs."""
    world = World(seed=3)
    for node_id in (1, 2, 3):
        world.heal()
        world.stand(node_id)
        world.run(6000)
        world.isolate(world.leader())
        world.propose(world.leader(), f"lost {node_id}")
    world.heal()
    world.run(6000)
    world.propose(world.leader(), "kept")
    world.run(1000)
    logs = [world.nodes[each].disk.records for each in (1, 2, 3)]
    assert logs[0] == logs[1] == logs[2]
    assert world.applied(1)[-1] == "kept"


def test_a_leader_commits_an_older_epoch_only_with_its_own():
    """Figure 8 of the Raft paper: a record is on a majority, and yet gives way."""
    world = World(voters=5)
    world.batches_in_answer = 1
    world.elect(1)
    world.isolate(1, 2)
    world.propose(1, "old")  # (a) nodes 1 and 2 have it
    world.run(50, but=(3, 4, 5))
    world.crash(1)
    world.crash(2)
    world.stand(5)  # (b) node 5 is elected by 3 and 4, and what it writes is on its disk alone
    assert world.leader() == 5
    world.crash(5)
    world.heal()
    world.boot(1)
    world.boot(2)
    while world.leader() != 1:  # (c) node 1 leads again, and node 3 gets the old record of it
        world.stand(1)
    world.cuts = {(1, 2), (1, 4)}
    while world.values(3) != ["old"]:
        world.step(2, 3, 4)
    world.cuts |= {(1, 3)}
    world.settle()  # node 3 says that it has it
    assert [world.values(each) for each in (1, 2, 3)] == [["old"]] * 3
    assert world.nodes[3].disk.records[-1].epoch == 1
    assert world.applied(1) == []
    world.crash(1)
    world.heal()
    world.boot(5)
    while world.leader() != 5:  # (d) node 5 has the later epoch, and everybody follows it
        world.stand(5)
    world.boot(1)
    world.run(2000)
    assert [world.values(each) for each in world.nodes] == [[]] * 5


def test_a_majority_counts_when_it_has_a_record_of_the_leaders_epoch():
    log = RaftLog()
    log.append([Batch(1, 0, 2, ("x", "y"))])
    leader = Leader(Voter(1, ""), 3, log, (2, 3, 4, 5), 0)
    leader.begin(())
    leader.appended(leader.take_queued(), 0)

    def fetch(node_id, place):
        request = FetchRequest(3, Voter(node_id, ""), place, 0)
        effects = leader.serve("handle", request, True, 0)
        return [each for each in effects if isinstance(each, Commit)]

    assert [fetch(each, EpochAndOffset(1, 2)) for each in (2, 3, 4, 5)] == [[]] * 4
    assert fetch(2, EpochAndOffset(3, 3)) == []
    assert fetch(2, EpochAndOffset(3, 3)) == []
    assert fetch(3, EpochAndOffset(3, 3)) == [Commit(3)]


def test_a_new_leader_is_ready_when_its_own_first_record_is_committed():
    world = World()
    world.stand(1)
    assert world.leader() == 1
    assert not world.raft(1).is_ready
    world.run(200)
    assert world.raft(1).is_ready


def test_who_is_too_far_behind_gets_a_snapshot():
    world = World()
    world.elect(1)
    world.isolate(3)
    for value in "abcd":
        world.propose(1, value)
        world.run(50)
    world.snapshot(1)
    world.propose(1, "e")
    world.run(50)
    assert world.nodes[1].disk.batches[0].base_offset == 5
    world.heal()
    world.run(2000)
    assert world.applied(3) == ["a", "b", "c", "d", "e"]
    assert world.nodes[3].disk.start == EpochAndOffset(1, 5)


def test_a_snapshot_takes_the_place_of_records_that_were_never_committed():
    world = World()
    world.elect(3)
    world.isolate(3)
    world.propose(3, "x")
    world.propose(3, "y")
    world.stand(1)
    world.run(200, but=(3,))
    for value in "abcd":
        world.propose(1, value)
        world.run(50, but=(3,))
    world.snapshot(1)
    world.heal()
    world.run(3000)
    assert world.leader() == 1
    assert world.applied(3) == ["a", "b", "c", "d"]


def test_a_snapshot_that_comes_too_late_is_not_taken():
    world = World()
    world.elect(1)
    world.propose(1, "a", "b")
    world.run(400)
    records = world.nodes[1].disk.records
    for node_id in (1, 2):
        old = EpochAndOffset(1, 2)
        assert world.raft(node_id).downloaded(old, records[:2], world.now_ms) == []
        assert world.raft(node_id).log.start.offset == 0
    newer_than_the_leaders_log = EpochAndOffset(1, 9)
    assert world.raft(1).downloaded(newer_than_the_leaders_log, [], world.now_ms) == []


def test_a_node_starts_with_its_snapshot_and_what_follows():
    world = World()
    world.elect(1)
    world.propose(1, "a")
    world.run(100)
    world.snapshot(1)
    world.propose(1, "b")
    world.run(100)
    world.crash(1)
    world.boot(1)
    assert world.applied(1) == ["a"]
    world.run(5000)
    assert world.applied(1) == ["a", "b"]


def test_nobody_snapshots_what_is_not_committed():
    world = World()
    world.elect(1)
    world.isolate(1)
    world.propose(1, "a")
    with pytest.raises(RaftError):
        world.raft(1).snapshotted(2, world.now_ms)


def test_an_observer_follows_and_is_never_counted():
    world = World(voters=3, observers=2)
    world.elect(1)
    world.propose(1, "a")
    world.run(1000)
    assert world.applied(4) == world.applied(5) == ["a"]
    world.crash(2)
    world.crash(3)
    handle = world.propose(1, "b")
    world.run(1000)
    assert world.values(4) == ["a", "b"]
    assert handle not in world.nodes[1].outcomes
    world.run(CHECK_QUORUM_MS)
    assert world.leader() is None
    world.run(10_000)
    assert not any(line.startswith(("4", "5")) for line in world.transcript)


def test_an_observer_finds_the_next_leader():
    world = World(voters=3, observers=1)
    world.elect(1)
    world.crash(1)
    world.run(3000)
    world.propose(world.leader(), "a")
    world.run(FETCH_TIMEOUT_MS)
    assert world.applied(4) == ["a"]


def test_a_voter_with_another_disk_has_no_vote():
    world = World()
    for node_id in (1, 2, 3):
        world.directories[node_id] = f"disk-{node_id}"
        for raft in (world.raft(1), world.raft(2), world.raft(3)):
            raft.pin(node_id, f"disk-{node_id}", 0)
    world.elect(1)
    world.propose(1, "a")
    world.run(100)
    world.crash(3)
    world.wipe(3, "a new disk")
    world.law.ledger.clear()  # One of the copies that were counted is gone.
    world.boot(3)
    world.run(1000)
    assert not world.raft(3).is_voter
    assert world.values(3) == ["a"]
    world.crash(1)
    world.run(10_000)
    assert world.leader() is None
    assert "2 to 3: pre-vote, epoch 1" in world.transcript
    assert not any(line.startswith("3 to 2") and "granted" in line for line in world.transcript[8:])


def test_a_leader_that_turns_out_to_have_the_wrong_disk_resigns():
    world = World()
    world.elect(1)
    handle = world.propose(1, "a")
    world.perform(world.nodes[1], world.raft(1).pin(1, "another", world.now_ms))
    assert world.nodes[1].outcomes[handle] == "unknown"
    assert not world.raft(1).is_voter
    world.run(10_000)
    assert world.leader() in (2, 3)


def test_a_lost_fetch_is_asked_again():
    world = World()
    world.elect(1)
    world.run(1000)
    world.isolate(2)
    world.run(FETCH_WAIT_MS)
    world.heal()
    world.propose(1, "a")
    world.run(FETCH_TIMEOUT_MS + 200)
    assert world.applied(2) == ["a"]
    assert world.raft(1).epoch == 1


def test_an_idle_quorum_is_quiet():
    world = World()
    world.elect(1)
    counted = []
    deliver = world.deliver
    world.deliver = lambda: (counted.append(1), deliver())
    world.run(30_000)
    assert len(counted) <= 2 * 2 * (30_000 / FETCH_WAIT_MS + 2)


def test_a_fetch_of_another_epoch_is_sent_here_without_a_high_watermark():
    """The fetcher's log was not compared: what it has there may be something else."""
    world = World()
    world.elect(1)
    world.propose(1, "a")
    world.run(400)
    fetch = FetchRequest(0, Voter(3, "disk-3"), EpochAndOffset(0, 5), 0)
    (answer,) = world.raft(1).asked("handle", fetch, world.now_ms)
    assert answer == Answer("handle", FetchResponse(1, Voter(1, "disk-1"), 1))
    assert answer.response.high_watermark == UNKNOWN_OFFSET


def test_an_answer_that_comes_too_late_is_not_taken():
    world = World()
    world.elect(1)
    follower = world.raft(2)
    stale = FetchResponse(1, Voter(1, "disk-1"), 1, 5, diverging=EpochAndOffset(0, 0))
    assert follower.answered(0, stale, world.now_ms) == []


def test_batches_that_do_not_fit_are_not_taken():
    world = World()
    world.elect(1)
    world.run(1000)
    follower = world.raft(2)
    end = follower.log.end
    for batch in (
        Batch(1, end.offset + 1, end.offset + 2, ("gap",)),
        Batch(1, end.offset, end.offset, ()),
        Batch(0, end.offset, end.offset + 1, ("older",)),
        Batch(2, end.offset, end.offset + 1, ("newer than its leader",)),
    ):
        response = FetchResponse(1, Voter(1, "disk-1"), 1, 9, batches=(batch,))
        assert follower.answered(follower._asked, response, world.now_ms) == []
        follower.tick(world.now_ms + 60)
    assert follower.log.end == end


def test_committed_records_are_never_cut():
    world = World()
    world.elect(1)
    world.propose(1, "a")
    world.run(400)
    follower = world.raft(2)
    response = FetchResponse(1, Voter(1, "disk-1"), 1, diverging=EpochAndOffset(1, 1))
    with pytest.raises(RaftError, match="cut at 1"):
        follower.answered(follower._asked, response, world.now_ms)


def test_a_proposal_has_records():
    world = World(voters=1)
    with pytest.raises(ValueError, match="without records"):
        world.raft(1).propose("handle", ())
    observer = World(voters=3, observers=1).raft(4)
    assert observer.propose("handle", ("a",)) == [Proposed("handle", Outcome.NOT_LEADER)]


def test_every_request_is_answered_once():
    world = World()
    world.elect(1)
    raft = world.raft(1)
    end = raft.log.end
    high_watermark = raft.log.high_watermark
    first, second = (FetchRequest(1, Voter(9, "disk-9"), end, high_watermark) for _ in range(2))
    assert raft.asked("first", first, world.now_ms) == []
    (answer,) = raft.asked("second", second, world.now_ms)
    assert answer.handle == "first"
    effects = raft.tick(world.now_ms + FETCH_WAIT_MS)
    assert "second" in [each.handle for each in effects if isinstance(each, Answer)]
    old = VoteRequest(0, Voter(2, "disk-2"), end, is_pre_vote=True)
    (answer,) = raft.asked("third", old, world.now_ms)
    assert answer == Answer("third", VoteResponse(1, Voter(1, "disk-1"), 1, True, False))


def test_a_proposal_without_room_has_not_happened_and_the_leader_goes_on():
    world = World()
    world.elect(1)
    world.nodes[1].is_full = True
    handle = world.propose(1, "a")
    assert world.nodes[1].outcomes[handle] == "not written"
    world.run(5000)
    assert world.leader() == 1
    world.nodes[1].is_full = False
    again = world.propose(1, "a")
    world.run(300)
    assert world.nodes[1].outcomes[again] == "committed"
    assert [world.applied(each) for each in (1, 2, 3)] == [["a"]] * 3


def test_proposals_of_one_write_fail_together_and_those_after_it_do_not():
    world = World()
    world.elect(1)
    world.slow_disks = world.nodes[1].is_full = True
    first, second = world.propose(1, "a"), world.propose(1, "b")
    world.finish_write(1)
    world.nodes[1].is_full = world.slow_disks = False
    world.finish_write(1)
    world.run(300)
    assert world.nodes[1].outcomes[first] == "not written"
    assert world.nodes[1].outcomes[second] == "committed"
    assert world.applied(2) == ["b"]


def test_a_leader_without_room_for_its_first_record_is_none():
    world = World()
    world.nodes[1].is_full = True
    world.stand(1)
    assert world.leader() is None
    world.run(6000)
    assert world.leader() in (2, 3)


def test_a_sole_voter_without_room_leads_when_there_is():
    world = World(voters=1)
    world.crash(1)
    world.nodes[1].is_full = True
    world.boot(1)
    assert world.leader() is None
    world.run(5000)
    assert world.leader() is None
    world.nodes[1].is_full = False
    world.run(2000)
    assert world.leader() == 1


def test_a_follower_without_room_catches_up_when_there_is():
    world = World()
    world.elect(1)
    world.nodes[3].is_full = True
    world.propose(1, "a")
    world.run(5000)
    assert world.leader() == 1
    assert [world.applied(each) for each in (1, 2, 3)] == [["a"], ["a"], []]
    world.nodes[3].is_full = False
    world.run(1000)
    assert world.applied(3) == ["a"]


def test_only_the_first_leader_of_all_founds_the_cluster():
    world = World(founding=("founded",))
    world.elect(1)
    world.elect(2)
    assert world.applied(1) == ["founded"]
    first, *_ = world.nodes[1].disk.batches
    assert len(first.data) == 2
