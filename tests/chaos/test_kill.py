"""`kill -9` at random moments, again and again, while producers write.

Each test says one line of figures. MINIKAFKA_KILLS sets how often each of them kills the node
(`make kills`: a hundred times), MINIKAFKA_SEED repeats the moments of an earlier run as far as a
machine can repeat them.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from minikafka.protocol.records import Record

from ..compat.clients import DEADLINE_S
from ..compat.confluent_client import ConfluentClient
from ..nodes import NodeProcess
from .ledger import PARTITIONS, Ledger, Verdict, judge
from .producers import FLUSH_DEADLINE_S, PRODUCERS

KILLS = int(os.environ.get("MINIKAFKA_KILLS", "5"))
SEED = int(os.environ.get("MINIKAFKA_SEED", str(time.time_ns() % 1_000_000)))

TOPIC = "killed"
MAX_ACKNOWLEDGED_BETWEEN_KILLS = 3_000
MAX_DELAY_S = 0.05
KILLED_WHILE_IT_STARTS = 0.2  # the share of kills that also hit the recovery from the last one
MAX_START_S = 0.5
READ_AT_ONCE = 50_000


@pytest.fixture
def random() -> Random:
    """Chance with a seed that is told."""
    return Random(SEED)
