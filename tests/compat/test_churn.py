"""Groups of several clients under churn: no record is lost, no partition owned twice.

Members are processes (group_worker) that are killed, paused for longer than their session, told to
leave and added, while records flow. What is judged is said in `ownership`. Each round prints a line
of figures. In the suite it is one round of 6,000 records for each variant; `make churn` makes
MINIKAFKA_ROUNDS=20 of MINIKAFKA_CHURN=100000, and its members have longer sessions.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from ..nodes import NodeProcess
from .churn import Churn, Flow
from .confluent_client import ConfluentClient
from .group_worker import COOPERATIVE, EAGER, KINDS
from .team import PARTITIONS, SESSION_MS, Team, team

RECORDS = int(os.environ.get("MINIKAFKA_CHURN", "6000"))
ROUNDS = int(os.environ.get("MINIKAFKA_ROUNDS", "1"))
SEED = int(os.environ.get("MINIKAFKA_SEED", str(time.time_ns() % 1_000_000)))
IS_LONG = RECORDS > 20_000
SHORT_SESSION_MS = 3_000
DEADLINE_S = 60.0 + RECORDS / 500

Disturbance = Callable[[Churn], None]


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to be a group."""

    name: str
    kinds: Sequence[str]
    strategy: str
    is_static: bool
    disturbances: Sequence[Disturbance]


VARIANTS = (
    Variant(
        "mixed", tuple(KINDS), EAGER, False, (Churn.fell_some_and_wake_them, Churn.let_one_leave)
    ),
    Variant(
        "static",
        tuple(KINDS),
        EAGER,
        True,
        (Churn.replace_one_in_its_session, Churn.fence_one, Churn.fell_some_and_wake_them),
    ),
    Variant(
        "cooperative",
        ("confluent", "minikafka", "confluent", "minikafka"),
        COOPERATIVE,
        False,
        (Churn.fell_some_and_wake_them, Churn.let_one_leave),
    ),
)

Tell = Callable[[str], None]


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Print a line that is seen even when the test passes; in the suite, nothing."""

    def print_line(line: str) -> None:
        if IS_LONG:
            with capsys.disabled():
                print(line, flush=True)

    return print_line


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node that takes short sessions."""
    option = f"group.min.session.timeout.ms={SHORT_SESSION_MS}"
    node = NodeProcess(tmp_path / "node-1", "-c", option).start()
    yield node
    node.kill()


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: each.name)
@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
def test_a_group_under_churn_loses_nothing_and_owns_nothing_twice(
    number: int, variant: Variant, node: NodeProcess, topic: str, tmp_path: Path, tell: Tell
):
    began_s = time.monotonic()
    ConfluentClient(node.bootstrap).create_topic(topic, PARTITIONS)
    session_ms = SESSION_MS if IS_LONG else SHORT_SESSION_MS
    with (
        team(node.bootstrap, topic, DEADLINE_S, variant.strategy, session_ms) as made,
        Flow(node.bootstrap, topic, RECORDS) as flow,
    ):
        try:
            run(variant, made, Random(f"{SEED} {number}"), flow)
            lost = RECORDS - len(made.values())
            findings = made.findings()
            tell(
                f"{number:2} {variant.name:11}  {len(made.values())} records, "
                f"{len(made.workers)} members, {made.count('killed')} kills, "
                f"{made.count('paused')} pauses, {made.count('assigned')} assignments, "
                f"{made.count('refused')} commits refused, "
                f"{lost} lost, {len(findings)} doubly owned, {time.monotonic() - began_s:.1f} s"
            )
            assert not lost
            assert not findings, findings[:10]
        except AssertionError as error:
            story = tmp_path / "story.jsonl"
            made.write_story(story)
            tell(f"{number:2} {variant.name:11}  failed with seed {SEED}, see {story}: {error}")
            raise


def run(variant: Variant, made: Team, random: Random, flow: Flow) -> None:
    """All that the variant does to its group, in the long form three times."""
    names = [[f"member-{index}"] if variant.is_static else [] for index in range(4)]
    members = [made.add(kind, *name) for kind, name in zip(variant.kinds, names, strict=True)]
    churn = Churn(made, members, random)
    for disturb in variant.disturbances * (3 if IS_LONG else 1):
        disturb(churn)
    churn.settle()
    flow.finish()
    made.wait(lambda: len(made.values()) == RECORDS, "every record is consumed")
