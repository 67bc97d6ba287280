"""Claims about a group, each a golden script (see script)."""

from minikafka.broker.group.group import GroupLimits

from .script import play


def check(script, **options):
    """Play the commands of the script, and compare what came of them with it."""
    script = "\n".join(line.removeprefix("    ") for line in script.strip("\n ").splitlines())
    assert play(script, **options) == script


def test_a_group_goes_from_empty_to_stable_and_back():
    script = """
    0 join A
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1]
      CompletingRebalance
    1 sync A A=all
      save generation 1
      A: owns all
    2 heartbeat A
      A: NONE
    3 commit A
      A: NONE
    4 leave A
      A: NONE
      save generation 2
    5 tick
      Empty
    6 outsider-commit
      NONE
    """
    check(script)


def test_a_second_member_makes_the_first_join_again():
    script = """
    0 join A
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1]
      CompletingRebalance
    1 sync A A=all
      save generation 1
      A: owns all
    2 join B
    3 heartbeat A
      A: REBALANCE_IN_PROGRESS
    4 commit A
      A: NONE
    5 join A
      A: joined m1 generation 2 range, leader m1 [m1,m2]
      B: joined m2 generation 2 range, leader m1 []
    6 commit A
      A: REBALANCE_IN_PROGRESS
    7 sync B
    8 sync A A=left B=right
      save generation 2
      A: owns left
      B: owns right
    9 heartbeat B
      B: NONE
    """
    check(script)


def test_a_commit_is_refused_while_the_assignment_is_awaited_and_of_another_generation():
    script = """
    0 join A
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1]
      CompletingRebalance
    1 commit A
      A: REBALANCE_IN_PROGRESS
    2 sync A A=all
      save generation 1
      A: owns all
    3 outsider-commit
      UNKNOWN_MEMBER_ID
    4 join B
    5 join A
      A: joined m1 generation 2 range, leader m1 [m1,m2]
      B: joined m2 generation 2 range, leader m1 []
    6 leave B
      B: NONE
    7 commit A
      A: NONE
    8 join A
      A: joined m1 generation 3 range, leader m1 [m1]
    9 heartbeat A
      A: NONE
    """
    check(script)


def test_who_comes_without_an_id_is_sent_away_with_one_and_blocks_until_it_is_back():
    script = """
    0 join A
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1]
      CompletingRebalance
    1 sync A A=all
      save generation 1
      A: owns all
    2 join B id-first session=20
      B: MEMBER_ID_REQUIRED m2
    3 join C
    4 join A
    5 tick
      PreparingRebalance
    10 join B
      A: joined m1 generation 2 range, leader m1 [m1,m3,m2]
      C: joined m3 generation 2 range, leader m1 []
      B: joined m2 generation 2 range, leader m1 []
    11 tick
      CompletingRebalance
    """
    check(script)


def test_an_id_that_is_not_used_in_time_blocks_nobody():
    script = """
    0 join A
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1]
      CompletingRebalance
    1 sync A A=all
      save generation 1
      A: owns all
    2 join B id-first session=20
      B: MEMBER_ID_REQUIRED m2
    3 join C
    4 join A
    22 tick
      A: joined m1 generation 2 range, leader m1 [m1,m3]
      C: joined m3 generation 2 range, leader m1 []
      CompletingRebalance
    23 join B
      B: UNKNOWN_MEMBER_ID m2
    """
    check(script)


def test_an_empty_group_waits_for_more_members_while_they_keep_coming():
    script = """
    0 join A
    60 join B
    100 tick
      PreparingRebalance
    150 join C
    200 tick
      PreparingRebalance
    300 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2,m3]
      B: joined m2 generation 1 range, leader m1 []
      C: joined m3 generation 1 range, leader m1 []
      CompletingRebalance
    """
    check(script, limits=GroupLimits(10, 100))


def test_an_empty_group_waits_no_longer_than_a_rebalance_may_take():
    script = """
    0 join A rebalance=250
    90 join B rebalance=250
    100 tick
      PreparingRebalance
    190 join C rebalance=250
    200 tick
      PreparingRebalance
    240 join D rebalance=250
    250 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2,m3,m4]
      B: joined m2 generation 1 range, leader m1 []
      C: joined m3 generation 1 range, leader m1 []
      D: joined m4 generation 1 range, leader m1 []
      CompletingRebalance
    """
    check(script, limits=GroupLimits(10, 100))


def test_who_does_not_join_again_in_time_is_out():
    script = """
    0 join A rebalance=50 session=1000
    0 join B rebalance=50 session=1000
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync A A=x B=y
      save generation 1
      A: owns x
    2 sync B
      B: owns y
    3 join C rebalance=50
    4 join A rebalance=50 session=1000
    52 tick
      PreparingRebalance
    53 tick
      A: joined m1 generation 2 range, leader m1 [m1,m3]
      C: joined m3 generation 2 range, leader m1 []
      CompletingRebalance
    54 heartbeat B
      B: UNKNOWN_MEMBER_ID
    """
    check(script)


def test_who_is_silent_is_out_and_the_others_join_again():
    script = """
    0 join A session=100
    0 join B session=50
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync A A=x B=y
      save generation 1
      A: owns x
    2 sync B
      B: owns y
    40 heartbeat A
      A: NONE
    52 tick
      PreparingRebalance
    53 heartbeat A
      A: REBALANCE_IN_PROGRESS
    54 join A
      A: joined m1 generation 2 range, leader m1 [m1]
    55 heartbeat B
      B: UNKNOWN_MEMBER_ID
    """
    check(script)


def test_a_member_that_waits_for_us_is_not_silent():
    script = """
    0 join A session=50
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1]
      CompletingRebalance
    1 sync A A=all
      save generation 1
      A: owns all
    2 join B session=50
    3 join A session=50
      A: joined m1 generation 2 range, leader m1 [m1,m2]
      B: joined m2 generation 2 range, leader m1 []
    4 sync B
    40 tick
      CompletingRebalance
    53 tick
      B: REBALANCE_IN_PROGRESS
      PreparingRebalance
    """
    check(script)


def test_a_new_member_whose_connection_is_gone_is_out_after_its_session():
    script = """
    0 join A session=1000
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1]
      CompletingRebalance
    1 sync A A=all
      save generation 1
      A: owns all
    2 join B session=50
    3 lost B
    53 tick
      B: UNKNOWN_MEMBER_ID m2
      PreparingRebalance
    54 heartbeat A
      A: REBALANCE_IN_PROGRESS
    """
    check(script)


def test_a_leader_that_never_says_who_owns_what_is_out():
    script = """
    0 join A rebalance=50
    0 join B rebalance=50
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync B
    30 tick
      CompletingRebalance
    50 tick
      B: REBALANCE_IN_PROGRESS
      PreparingRebalance
    51 join B
      B: joined m2 generation 2 range, leader m2 [m2]
    """
    check(script)


def test_a_follower_that_never_asks_what_it_owns_is_out():
    script = """
    0 join A rebalance=50
    0 join B rebalance=50
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync A A=x B=y
      save generation 1
      A: owns x
    50 tick
      PreparingRebalance
    51 heartbeat A
      A: REBALANCE_IN_PROGRESS
    """
    check(script)


def test_a_join_sent_again_by_a_follower_of_a_stable_group_changes_nothing():
    script = """
    0 join A
    0 join B
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync A A=x B=y
      save generation 1
      A: owns x
    2 sync B
      B: owns y
    3 join B
      B: joined m2 generation 1 range, leader m1 []
    4 heartbeat A
      A: NONE
    5 join B sub=news
    6 heartbeat A
      A: REBALANCE_IN_PROGRESS
    """
    check(script)


def test_a_join_sent_again_by_the_leader_is_a_rebalance():
    script = """
    0 join A
    0 join B
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync A A=x B=y
      save generation 1
      A: owns x
    2 sync B
      B: owns y
    3 join A
    4 heartbeat B
      B: REBALANCE_IN_PROGRESS
    5 join B
      A: joined m1 generation 2 range, leader m1 [m1,m2]
      B: joined m2 generation 2 range, leader m1 []
    """
    check(script)


def test_a_join_whose_answer_was_lost_is_answered_again():
    script = """
    0 join A
    0 join B
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 join B
      B: joined m2 generation 1 range, leader m1 []
    2 join A
      A: joined m1 generation 1 range, leader m1 [m1,m2]
    3 sync A A=x B=y
      save generation 1
      A: owns x
    """
    check(script)


def test_a_request_that_its_own_repetition_overtakes_is_answered_too():
    script = """
    0 join A
    1 join B
    2 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    3 sync A A=x B=y
      save generation 1
      A: owns x
    4 sync B
      B: owns y
    5 join C
    6 join A
    7 join A
      A: REBALANCE_IN_PROGRESS m1
    8 join B
      A: joined m1 generation 2 range, leader m1 [m1,m2,m3]
      B: joined m2 generation 2 range, leader m1 []
      C: joined m3 generation 2 range, leader m1 []
    9 sync B
    10 sync B
      B: REBALANCE_IN_PROGRESS
    11 sync A A=x B=y C=z
      save generation 2
      A: owns x
      B: owns y
    """
    check(script)


def test_the_longest_member_leads_when_the_leader_is_gone():
    script = """
    0 join A
    0 join B
    0 join C
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2,m3]
      B: joined m2 generation 1 range, leader m1 []
      C: joined m3 generation 1 range, leader m1 []
      CompletingRebalance
    1 leave A
      A: NONE
    2 join C
    3 join B
      B: joined m2 generation 2 range, leader m2 [m2,m3]
      C: joined m3 generation 2 range, leader m2 []
    """
    check(script)


def test_the_protocol_is_what_most_like_best_of_what_all_speak():
    script = """
    0 join A protocols=range,sticky,other
    0 join B protocols=sticky,range
    0 join C protocols=sticky,range
    0 tick
      A: joined m1 generation 1 sticky, leader m1 [m1,m2,m3]
      B: joined m2 generation 1 sticky, leader m1 []
      C: joined m3 generation 1 sticky, leader m1 []
      CompletingRebalance
    1 join D protocols=other
      D: INCONSISTENT_GROUP_PROTOCOL
    2 join E protocols=range type=connect
      E: INCONSISTENT_GROUP_PROTOCOL
    3 join F protocols=sticky
    """
    check(script)


def test_a_static_member_that_comes_back_keeps_its_place_and_fences_its_former_self():
    script = """
    0 join A static=s1
    0 join B static=s2
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync A A=x B=y
      save generation 1
      A: owns x
    2 sync B
      B: owns y
    3 join B2 static=s2
      save generation 1
      B2: joined m3 generation 1 range, leader m1 []
    4 sync B2
      B2: owns y
    5 heartbeat B
      B: FENCED_INSTANCE_ID
    6 heartbeat A
      A: NONE
    """
    check(script)


def test_a_static_leader_that_comes_back_skips_the_assignment_if_it_can():
    script = """
    0 join A static=s1
    0 join B static=s2
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync A A=x B=y
      save generation 1
      A: owns x
    2 sync B
      B: owns y
    3 join A2 static=s1 skip
      save generation 1
      A2: joined m3 generation 1 range, leader m3 [m3,m2], skip
    4 sync A2
      A2: owns x
    5 join A3 static=s1
      save generation 1
      A3: joined m4 generation 1 range, leader m3 []
    6 sync A3
      A3: owns x
    """
    check(script)


def test_a_static_member_that_comes_back_with_another_subscription_is_a_rebalance():
    script = """
    0 join A static=s1
    0 join B static=s2
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync A A=x B=y
      save generation 1
      A: owns x
    2 sync B
      B: owns y
    3 join B2 static=s2 sub=news
    4 heartbeat A
      A: REBALANCE_IN_PROGRESS
    5 join A
      A: joined m1 generation 2 range, leader m1 [m1,m3]
      B2: joined m3 generation 2 range, leader m1 []
    """
    check(script)


def test_a_static_member_that_comes_back_while_the_assignment_is_awaited_is_a_rebalance():
    script = """
    0 join A static=s1
    0 join B static=s2
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync B
    2 join A2 static=s1
      B: REBALANCE_IN_PROGRESS
    3 join B
      A2: joined m3 generation 2 range, leader m3 [m3,m2]
      B: joined m2 generation 2 range, leader m3 []
    """
    check(script)


def test_a_static_member_that_is_late_keeps_its_place_until_its_session_ends():
    script = """
    0 join A static=s1 rebalance=50 session=500
    0 join B rebalance=50 session=500
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync A A=x B=y
      save generation 1
      A: owns x
    2 sync B
      B: owns y
    3 join C rebalance=50 session=500
    4 join B rebalance=50 session=500
    53 tick
      B: joined m2 generation 2 range, leader m2 [m1,m2,m3]
      C: joined m3 generation 2 range, leader m2 []
      CompletingRebalance
    54 heartbeat A
      A: ILLEGAL_GENERATION
    """
    check(script)


def test_a_static_member_leaves_by_its_name():
    script = """
    0 join A static=s1
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1]
      CompletingRebalance
    1 sync A A=x
      save generation 1
      A: owns x
    2 leave X static=s2
      X: UNKNOWN_MEMBER_ID
    3 leave X static=s1
      X: NONE
      save generation 2
    4 heartbeat A
      A: UNKNOWN_MEMBER_ID
    """
    check(script)


def test_nothing_is_told_before_it_is_in_the_log():
    script = """
    0 join A
    0 join B
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync B
    2 sync A A=x B=y
      save generation 1
    3 heartbeat A
      A: NONE
    4 saved
      A: owns x
      B: owns y
    """
    check(script, auto_save=False)


def test_an_assignment_that_cannot_be_saved_is_told_to_nobody():
    script = """
    0 join A
    0 join B
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1,m2]
      B: joined m2 generation 1 range, leader m1 []
      CompletingRebalance
    1 sync B
    2 sync A A=x B=y
      save generation 1
    3 saved COORDINATOR_NOT_AVAILABLE
      A: COORDINATOR_NOT_AVAILABLE
      B: COORDINATOR_NOT_AVAILABLE
    4 heartbeat A
      A: REBALANCE_IN_PROGRESS
    """
    check(script, auto_save=False)


def test_an_assignment_saved_too_late_is_told_to_nobody():
    script = """
    0 join A
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1]
      CompletingRebalance
    1 sync A A=all
      save generation 1
    2 join B
      A: REBALANCE_IN_PROGRESS
    3 join A
      A: joined m1 generation 2 range, leader m1 [m1,m2]
      B: joined m2 generation 2 range, leader m1 []
    4 saved
    5 sync A A=x B=y
      save generation 2
    6 sync B
    7 saved
      A: owns x
      B: owns y
    """
    check(script, auto_save=False)


def test_a_group_that_is_full_refuses_who_is_new():
    script = """
    0 join A
    0 join B id-first
      B: MEMBER_ID_REQUIRED m2
    0 join C
      C: GROUP_MAX_SIZE_REACHED
    1 join B
    """
    check(script, limits=GroupLimits(2, 0))


def test_a_group_is_deleted_when_it_is_empty_and_answers_nobody_from_then_on():
    script = """
    0 join A
    0 delete
      NON_EMPTY_GROUP
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1]
      CompletingRebalance
    1 leave A
      A: NONE
      save generation 2
    2 delete
      NONE
    3 delete
      GROUP_ID_NOT_FOUND
    4 join B
      B: COORDINATOR_NOT_AVAILABLE
    5 heartbeat A
      A: COORDINATOR_NOT_AVAILABLE
    6 outsider-commit
      COORDINATOR_NOT_AVAILABLE
    7 leave A
      A: COORDINATOR_NOT_AVAILABLE
    """
    check(script)


def test_a_group_without_members_takes_any_protocol_again():
    script = """
    0 join A type=connect protocols=compatible
    0 tick
      A: joined m1 generation 1 compatible, leader m1 [m1]
      CompletingRebalance
    1 leave A
      A: NONE
      save generation 2
    2 join B
    2 tick
      B: joined m2 generation 3 range, leader m2 [m2]
      CompletingRebalance
    """
    check(script)


def test_a_static_member_that_comes_back_twice_is_answered_once_and_by_its_last_id():
    script = """
    0 join A static=s1
    0 tick
      A: joined m1 generation 1 range, leader m1 [m1]
      CompletingRebalance
    1 sync A A=x
      save generation 1
    1 saved
      A: owns x
    2 join A2 static=s1 skip
      save generation 1
    3 join A3 static=s1 skip
      A2: FENCED_INSTANCE_ID m2
      save generation 1
    4 saved
    5 saved
      A3: joined m3 generation 1 range, leader m3 [m3], skip
    """
    check(script, auto_save=False)
