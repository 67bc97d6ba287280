"""Groups of one kind of client each: they share, hand over, and read on where they left off."""

import signal
import subprocess

import pytest

from ..nodes import NodeProcess
from .clients import AdminClient, record
from .group_worker import COOPERATIVE, EAGER, KINDS
from .kcat_client import PROGRAM
from .team import PARTITIONS, produce, share_all, team

DEADLINE_S = 60.0
WITHOUT_COOPERATIVE = {"aiokafka"}
WAYS = [
    *((kind, EAGER) for kind in KINDS),
    *((kind, COOPERATIVE) for kind in KINDS if kind not in WITHOUT_COOPERATIVE),
]


@pytest.mark.parametrize(("kind", "strategy"), WAYS)
def test_two_members_of_a_kind_share_the_partitions(
    kind: str, strategy: str, shared_broker: NodeProcess, anybody: AdminClient, topic: str
) -> None:
    anybody.create_topic(topic, PARTITIONS)
    produce(shared_broker.bootstrap, topic, range(600))
    with team(shared_broker.bootstrap, topic, DEADLINE_S, strategy) as made:
        first = made.add(kind)
        made.wait(lambda: len(made.values()) == 600, "one member reads everything")
        second = made.add(kind)
        made.wait(lambda: share_all([first, second]), "two members share")
        assert len(first.owned) == len(second.owned) == PARTITIONS // 2

        first.signal(signal.SIGTERM)
        first.process.wait(DEADLINE_S)
        made.wait(lambda: share_all([second]), "one is left")
        produce(shared_broker.bootstrap, topic, range(600, 1200))
        made.wait(lambda: len(made.values()) == 1200, "the other reads on")
        assert not made.findings()
        # Both ended cleanly, so nothing was read twice.
        assert len(first.values) + len(second.values) == 1200


def test_kcat_reads_on_where_its_group_left_off(
    shared_broker: NodeProcess, anybody: AdminClient, topic: str
) -> None:
    anybody.create_topic(topic)
    for first in (0, 5):
        anybody.send(topic, [record(b"%d" % number) for number in range(first, first + 5)])
        settings = ["-X", "auto.offset.reset=earliest", "-e", "-q"]
        command = [str(PROGRAM), "-b", shared_broker.bootstrap, *settings, "-G", topic, topic]
        done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=True)
        assert done.stdout.split() == [b"%d" % number for number in range(first, first + 5)]
