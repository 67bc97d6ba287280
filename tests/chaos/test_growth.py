"""A broker joins a cluster under load, takes its share of the partitions, and leaves again.

Nothing is lost meanwhile: who produces and who commits are those of the faults (ClusterTrial).
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from minikafka import NewTopic, TopicPartition

from .cluster_trial import ADMIN_TIMEOUT_MS, LOOK_EVERY_S, AdminClient, ClusterTrial

MOVED_DEADLINE_S = 120.0
WIDE_PARTITIONS = 12
NEWCOMER = 4

# Clients leave the sockets of failed connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def trial(tmp_path: Path):
    with ClusterTrial(tmp_path) as trial:
        yield trial


def test_partitions_move_to_a_broker_that_joins_and_back_and_nothing_is_lost(trial: ClusterTrial):
    with admin(trial) as client:
        client.create_topics([NewTopic("wide", WIDE_PARTITIONS, 3)])
    trial.cluster.join()
    told = reassign(trial, "1,2,3,4")
    assert "partitions moved" in told
    replicas = replicas_of(trial)
    assert 3 in {len(each) for each in replicas.values()}
    held = [sum(node in each for each in replicas.values()) for node in (1, 2, 3, NEWCOMER)]
    assert max(held) - min(held) <= 1
    wait_until_directories_are_as_described(trial)
    everybody_gets_on(trial)

    reassign(trial, "1,2,3")
    assert not any(NEWCOMER in each for each in replicas_of(trial).values())
    wait_until_directories_are_as_described(trial)
    assert trial.cluster.nodes.pop(NEWCOMER).stop() == 0
    with admin(trial) as client:
        client.unregister_broker(NEWCOMER)
        assert [each.id for each in client.describe_cluster().brokers] == [1, 2, 3]
    everybody_gets_on(trial)

    verdict = trial.finish()
    assert not verdict.lost
    assert not verdict.duplicated
    assert not verdict.disordered
    assert not verdict.unknown


def reassign(trial: ClusterTrial, brokers: str) -> str:
    """`minikafka topic reassign --all`, to its end; what it says."""
    command = [sys.executable, "-m", "minikafka.cli.main", "topic", "reassign", "--all"]
    command += ["--brokers", brokers, "--bootstrap", trial.cluster.bootstrap]
    process = subprocess.run(
        command, capture_output=True, text=True, timeout=MOVED_DEADLINE_S, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout + process.stderr


def replicas_of(trial: ClusterTrial) -> Mapping[TopicPartition, tuple[int, ...]]:
    """Which brokers each partition is on."""
    with admin(trial) as client:
        return {
            TopicPartition(topic.name, each.index): tuple(each.replicas)
            for topic in client.describe_topics()
            for each in topic.partitions
        }


def wait_until_directories_are_as_described(trial: ClusterTrial) -> None:
    """Each node has the directories of its replicas, and of no other partition."""
    replicas = replicas_of(trial)
    wanted = {
        node.data_dir: {
            f"{each.topic}-{each.partition}" for each, ids in replicas.items() if id in ids
        }
        for id, node in trial.cluster.nodes.items()
    }
    wait(lambda: {each: directories(each) for each in wanted} == wanted)


def directories(data_dir: Path) -> set[str]:
    """The partitions that have a directory there; one that is being deleted counts as well."""
    return {each.name for each in data_dir.iterdir() if each.is_dir()} - {"__cluster_metadata-0"}


def everybody_gets_on(trial: ClusterTrial) -> None:
    """Each producer and each group has something acknowledged that was sent after now."""
    records = {name: each.acknowledged_count for name, each in trial.ledgers.items()}
    commits = {name: each.count for name, each in trial.commits.items()}
    wait(
        lambda: (
            all(trial.ledgers[name].acknowledged_count > old for name, old in records.items())
            and all(trial.commits[name].count > old for name, old in commits.items())
        )
    )


def wait(is_reached: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + MOVED_DEADLINE_S
    while not is_reached():
        assert time.monotonic() < deadline_s
        time.sleep(LOOK_EVERY_S)


def admin(trial: ClusterTrial) -> AdminClient:
    return AdminClient(
        bootstrap_servers=trial.cluster.bootstrap, request_timeout_ms=ADMIN_TIMEOUT_MS
    )
