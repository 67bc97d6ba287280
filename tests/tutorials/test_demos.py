"""The demos do what they say, on a real node."""

import os
import subprocess
import sys
from pathlib import Path

from ..nodes import NodeProcess

DEMOS = Path(__file__).parent.parent.parent / "tutorials/demos"
DEADLINE_S = 120.0


def run(broker: NodeProcess, name: str, *arguments: str) -> str:
    """What the demo prints."""
    process = subprocess.run(
        [sys.executable, DEMOS / name, *arguments],
        env=os.environ | {"MINIKAFKA_BOOTSTRAP": broker.bootstrap},
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
        text=True,
    )
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout


def test_orders_are_written_shared_by_a_group_worked_for_and_seen_in_the_tree(broker: NodeProcess):
    written = run(broker, "producer.py").splitlines()
    assert len(written) == 12
    shared = run(broker, "consumer_group.py")
    before, after = shared.split("Cleo leaves.\n")
    assert all(f"reads order {number} from" in before for number in range(12))
    assert "reads" not in after  # what Cleo had read, she had committed
    assert [line.count(",") for line in after.splitlines()] in ([1, 0], [0, 1])
    worked = run(broker, "worker_pool.py")
    assert worked.count("is done by thread") == 12
    for customer in range(3):
        orders = [line for line in worked.splitlines() if line.startswith(f"customer-{customer}:")]
        assert orders == sorted(orders, key=lambda line: int(line.split()[2]))
    tree = run(broker, "cluster_tree.py", "--once")
    assert tree.count("segment 0: 4 records") == 3
