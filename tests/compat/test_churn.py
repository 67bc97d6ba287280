"""Groups of several clients under churn: no record is lost, no partition owned twice.

Members are processes (group_worker) that are killed, paused for longer than their session, told to
leave and added, while records flow. What is judged is said in `ownership`. Each round prints a line
of figures. In the suite it is one round of 6,000 records for each variant; `make churn` makes 20
(MINIKAFKA_ROUNDS) of 100,000 (MINIKAFKA_CHURN), with longer sessions and three times the churn.
MINIKAFKA_SEED repeats the choices of an earlier run.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from ..nodes import NodeProcess
from .churn import Churn, Flow
from .group_worker import COOPERATIVE, EAGER, KINDS
from .minikafka_client import MinikafkaClient
from .ownership import Finding
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
        ("confluent", "minikafka", "kafka-python", "minikafka"),
        COOPERATIVE,
        False,
        (Churn.fell_some_and_wake_them, Churn.let_one_leave),
    ),
)


class Figures(NamedTuple):
    """What happened in a round, or in several."""

    records: int
    members: int
    kills: int
    pauses: int
    assignments: int
    refused_commits: int
    lost: int
    doubly_owned: int
    seconds: float

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.records:9,} records, {self.members:3} members, {self.kills:3} kills, "
            f"{self.pauses:3} pauses, {self.assignments:4} assignments, "
            f"{self.refused_commits:3} commits refused, {self.lost} lost, "
            f"{self.doubly_owned} doubly owned, {self.seconds:6.1f} s"
        )


@pytest.fixture(scope="module")
def rounds() -> Iterator[dict[str, list[Figures]]]:
    """The figures of each variant's rounds; their sums are printed in the end."""
    told: dict[str, list[Figures]] = {}
    yield told
    print()
    for variant, figures in told.items():
        total = Figures(*map(sum, zip(*figures, strict=True)))
        print(f"{len(figures):5} rounds {variant:11} {total}", flush=True)


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
    number: int,
    variant: Variant,
    node: NodeProcess,
    topic: str,
    tmp_path: Path,
    rounds: dict[str, list[Figures]],
):
    MinikafkaClient(node.bootstrap).create_topic(topic, PARTITIONS)
    # A static member has to be back within its session, on a busy machine too.
    session_ms = SESSION_MS if IS_LONG or variant.is_static else SHORT_SESSION_MS
    with (
        team(node.bootstrap, topic, DEADLINE_S, variant.strategy, session_ms) as made,
        Flow(node.bootstrap, topic, RECORDS) as flow,
    ):
        began_s = time.monotonic()
        try:
            run(variant, made, Random(f"{SEED} {number}"), flow)
            findings = made.findings()
            figures = figures_of(made, findings, time.monotonic() - began_s)
            rounds.setdefault(variant.name, []).append(figures)
            print(f"\n   round {number:2} {variant.name:11} {figures}", end=" ", flush=True)
            assert not figures.lost
            assert not findings, findings[:10]
        except AssertionError:
            story = tmp_path / "story.jsonl"
            made.write_story(story)
            print(f"\n   round {number:2} {variant.name:11} failed, seed {SEED}: see {story}")
            raise


def figures_of(made: Team, findings: Sequence[Finding], seconds: float) -> Figures:
    """Of one round."""
    read = len(made.values())
    return Figures(
        records=read,
        members=len(made.workers),
        kills=made.count("killed"),
        pauses=made.count("paused"),
        assignments=made.count("assigned"),
        refused_commits=made.count("refused"),
        lost=RECORDS - read,
        doubly_owned=len(findings),
        seconds=seconds,
    )


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
