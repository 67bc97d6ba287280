"""Who leads, who is in sync and who could lead, told as tables; see `story`."""

from random import Random

import pytest

from minikafka.broker.controller.decide import NewTopic, create_topic
from minikafka.broker.controller.decide_configs import Alteration, OptionChange, alter_configs
from minikafka.protocol.api.describe_configs import ConfigResourceType
from minikafka.protocol.api.incremental_alter_configs import AlterConfigOperation

from .story import Story, assert_told

STORIES = {
    "the leader dies, and another in sync leads": """
        _               leader replicas        isr     elr   last epochs
        fence 1         2      1 2 3           2 3     -     -    1 1
        unfence 1       2      1 2 3           2 3     -     -    1 1
        isr 1 2 3       2      1 2 3           1 2 3   -     -    1 2
        elect preferred 1      1 2 3           1 2 3   -     -    2 3
        elect preferred 1      1 2 3           1 2 3   -     -    2 3 ELECTION_NOT_NEEDED
    """,
    "a follower dies: the leader epoch stays": """
        _               leader replicas        isr     elr   last epochs
        fence 3         1      1 2 3           1 2     -     -    0 1
        fence 2         1      1 2 3           1       2     -    0 2
        unfence 2       1      1 2 3           1       2     -    0 2
        isr 1 2         1      1 2 3           1 2     -     -    0 3
    """,
    "who left an ISR that was too small can lead": """
        _               leader replicas        isr     elr   last epochs
        fence 3         1      1 2 3           1 2     -     -    0 1
        fence 2         1      1 2 3           1       2     -    0 2
        fence 1         -      1 2 3           -       1 2   1    1 3
        unfence 3       -      1 2 3           -       1 2   1    1 3
        unfence 2       2      1 2 3           2       1     -    2 4
        unfence 1       2      1 2 3           2       1     -    2 4
        isr 1 2 3       2      1 2 3           1 2 3   -     -    2 5
    """,
    "the last replica in sync crashes: it is not believed (KAFKA-15583, KIP-966)": """
        _               leader replicas        isr     elr   last epochs
        isr 1 2         1      1 2 3           1 2     -     -    0 1
        isr 1           1      1 2 3           1       2     -    0 2
        crash 1         2      1 2 3           2       -     -    1 3
        unfence 1       2      1 2 3           2       -     -    1 3
    """,
    "the last one of all crashes: nobody knows better than who led last": """
        _               leader replicas        isr     elr   last epochs
        fence 3         1      1 2 3           1 2     -     -    0 1
        fence 2         1      1 2 3           1       2     -    0 2
        crash 2         1      1 2 3           1       -     -    0 3
        crash 1         -      1 2 3           -       -     1    1 4
        unfence 2       -      1 2 3           -       -     1    1 4
        unfence 3       -      1 2 3           -       -     1    1 4
        unfence 1       1      1 2 3           1       -     -    2 5
    """,
    "the last known leader must live to lead (KAFKA-19522)": """
        _               leader replicas        isr     elr   last epochs
        crash 1         2      1 2 3           2 3     -     -    1 1
        crash 2         3      1 2 3           3       -     -    2 2
        crash 3         -      1 2 3           -       -     3    3 3
        unfence 1       -      1 2 3           -       -     3    3 3
        elect preferred -      1 2 3           -       -     3    3 3 PREFERRED_LEADER_NOT_AVAILABLE
        unfence 3       3      1 2 3           3       -     -    4 4
    """,
    "a client takes the risk": """
        _               leader replicas        isr     elr   last epochs
        isr 1           1      1 2 3           1       2 3   -    0 1
        elect unclean   1      1 2 3           1       2 3   -    0 1 ELECTION_NOT_NEEDED
        fence 2         1      1 2 3           1       2 3   -    0 1
        fence 3         1      1 2 3           1       2 3   -    0 1
        fence 1         -      1 2 3           -       1 2 3 1    1 2
        elect unclean   -      1 2 3           -       1 2 3 1    1 2 ELIGIBLE_LEADERS_NOT_AVAILABLE
        crash 3         -      1 2 3           -       1 2   1    1 3
        unfence 3       -      1 2 3           -       1 2   1    1 3
        elect unclean   3      1 2 3           3       -     -    2 4
    """,
    "a restart that lost nothing stays eligible, not in sync (KIP-841)": """
        _               leader replicas        isr     elr   last epochs
        restart 1       2      1 2 3           2 3     -     -    1 1
        isr 1 2 3       2      1 2 3           2 3     -     -    1 2 INELIGIBLE_REPLICA
        fence 3         2      1 2 3           2       3     -    1 3
        restart 2       -      1 2 3           -       2 3   2    2 4
        unfence 3       3      1 2 3           3       2     -    3 5
    """,
    "who wants to stop hands over, and is not let in again": """
        _               leader replicas        isr     elr   last epochs
        leave 1         2      1 2 3           2 3     -     -    1 1
        isr 1 2 3       2      1 2 3           2 3     -     -    1 2 INELIGIBLE_REPLICA
        elect preferred 2      1 2 3           2 3     -     -    1 2 PREFERRED_LEADER_NOT_AVAILABLE
        fence 1         2      1 2 3           2 3     -     -    1 2
        leave 2         3      1 2 3           3       2     -    2 3
        leave 3         -      1 2 3           -       2 3   3    3 4
        restart 3       -      1 2 3           -       2 3   3    3 4
        unfence 3       3      1 2 3           3       2     -    4 5
    """,
    "the active controller's own broker is back at once": """
        _               leader replicas        isr     elr   last epochs
        return 2        1      1 2 3           1 3     -     -    0 1
        fence 3         1      1 2 3           1       3     -    0 2
        return 1        1      1 2 3           1       3     -    2 4
    """,
    "a broker that is gone for good": """
        _               leader replicas        isr     elr   last epochs
        fence 1         2      1 2 3           2 3     -     -    1 1
        unregister 1    2      1 2 3           2 3     -     -    1 1
        isr 1 2 3       2      1 2 3           2 3     -     -    1 2 INELIGIBLE_REPLICA
        unregister 3    2      1 2 3           2       3     -    1 3
        unregister 2    -      1 2 3           -       2 3   2    2 4
        restart 3       -      1 2 3           -       2 3   2    2 4
        unfence 3       3      1 2 3           3       2     -    3 5
    """,
    "replicas move": """
        _               leader replicas        isr     elr   last epochs
        move 4 5 1      1      +4 +5 1 -2 -3   1 2 3   -     -    0 1
        isr 1 2 3 4     1      +4 +5 1 -2 -3   4 1 2 3 -     -    0 2
        isr 1 2 3 4 5   1      4 5 1           4 5 1   -     -    1 3
        elect preferred 4      4 5 1           4 5 1   -     -    2 4
        move 4 5 1      4      4 5 1           4 5 1   -     -    2 4
        cancel          4      4 5 1           4 5 1   -     -    2 4 NO_REASSIGNMENT_IN_PROGRESS
    """,
    "replicas move away from their leader": """
        _               leader replicas        isr     elr   last epochs
        move 4 5        1      +4 +5 -1 -2 -3  1 2 3   -     -    0 1
        isr 1 4         1      +4 +5 -1 -2 -3  4 1     -     -    0 2
        isr 1 4 5       4      4 5             4 5     -     -    1 3 NEW_LEADER_ELECTED
    """,
    "to add nothing needs no waiting": """
        _               leader replicas        isr     elr   last epochs
        move 2 1        1      2 1             2 1     -     -    1 1
        elect preferred 2      2 1             2 1     -     -    2 2
        move 1 2        2      1 2             1 2     -     -    2 3
        move 6 1        2      1 2             1 2     -     -    2 3 INVALID_REPLICA_ASSIGNMENT
        move 1 1        2      1 2             1 2     -     -    2 3 INVALID_REPLICA_ASSIGNMENT
    """,
    "a move is given up": """
        _               leader replicas        isr     elr   last epochs
        move 4 1        1      +4 1 -2 -3      1 2 3   -     -    0 1
        move 5 1        1      +5 1 ~4 -2 -3   1 2 3   -     -    0 2
        cancel          1      1 2 3           1 2 3   -     -    1 3
        move 4 5        1      +4 +5 -1 -2 -3  1 2 3   -     -    1 4
        isr 1 4         1      +4 +5 -1 -2 -3  4 1     -     -    1 5
        fence 1         4      +4 +5 -1 -2 -3  4       1     -    2 6
        cancel          4      +4 +5 -1 -2 -3  4       1     -    2 6 INVALID_REPLICA_ASSIGNMENT
        unfence 1       4      +4 +5 -1 -2 -3  4       1     -    2 6
        cancel          1      1 2 3           1       -     -    3 7
    """,
}


@pytest.mark.parametrize("table", STORIES.values(), ids=STORIES)
def test_so_it_goes(table: str) -> None:
    assert_told(table, Story())


def test_where_one_in_sync_is_enough_nobody_else_can_lead() -> None:
    table = """
        _               leader replicas        isr     elr   last epochs
        isr 1           1      1 2 3           1       -     -    0 1
        fence 1         -      1 2 3           -       1     1    1 2
        elect preferred -      1 2 3           -       1     1    1 2 PREFERRED_LEADER_NOT_AVAILABLE
        unfence 1       1      1 2 3           1       -     -    2 3
    """
    assert_told(table, Story(min_isr=1))


def test_where_it_is_allowed_a_broker_that_may_lack_records_leads() -> None:
    table = """
        _               leader replicas        isr     elr   last epochs
        isr 1           1      1 2 3           1       2 3   -    0 1
        crash 3         1      1 2 3           1       2     -    0 2
        unfence 3       1      1 2 3           1       2     -    0 2
        fence 2         1      1 2 3           1       2     -    0 2
        fence 1         3      1 2 3           3       -     -    1 3
    """
    assert_told(table, Story(unclean=True))


def test_the_only_replica_is_believed_whatever_it_lost() -> None:
    table = """
        _               leader replicas        isr     elr   last epochs
        return 1        1      1               1       -     -    0 0
        restart 1       -      1               -       1     1    1 1
        unfence 1       1      1               1       -     -    2 2
        crash 1         -      1               -       -     1    3 3
        unfence 1       1      1               1       -     -    4 4
    """
    assert_told(table, Story((1,), min_isr=2))


@pytest.mark.parametrize(
    ("resource_type", "name", "elr"),
    [
        (ConfigResourceType.TOPIC, "orders", ()),
        (ConfigResourceType.BROKER, "", ()),
        (ConfigResourceType.TOPIC, "others", (2, 3)),
    ],
)
def test_another_min_isr_makes_nobody_eligible(
    resource_type: int, name: str, elr: tuple[int, ...]
) -> None:
    story = Story()
    story.commit(create_topic(story.image, story.config, NewTopic("others", 1, 1), Random(9)))
    story.play("isr 1")
    assert story.partition.elr == (2, 3)
    change = OptionChange("min.insync.replicas", AlterConfigOperation.SET, "1")
    story.commit(alter_configs(story.image, Alteration(resource_type, name, [change])))
    assert story.partition.elr == elr


def test_where_nobody_is_in_sync_another_min_isr_leaves_who_is_eligible() -> None:
    story = Story()
    for line in ("isr 1", "fence 2", "fence 3", "fence 1"):
        story.play(line)
    change = OptionChange("min.insync.replicas", AlterConfigOperation.SET, "1")
    topic = Alteration(ConfigResourceType.TOPIC, "orders", [change])
    story.commit(alter_configs(story.image, topic))
    assert story.partition.elr == (1, 2, 3)
    story.play("unfence 2")
    assert (story.partition.isr, story.partition.elr) == ((2,), ())
