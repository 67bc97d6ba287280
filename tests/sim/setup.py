"""What a seed decides before anything begins: the cluster, its clients, and what may go wrong.

Swarm testing: each seed has some faults and not the others, a small cluster or a large one, tiny
segments or ordinary ones. What all have at once hides what some have alone.
"""

from dataclasses import dataclass, replace
from random import Random

FAULTS = (
    "kill",
    "power",
    "stop",
    "pause",
    "isolate",
    "one-way",
    "pair",
    "reset",
    "refuse",
    "slow-link",
    "slow-disk",
    "bad-disk",
    "full-disk",
    "clock",
    "client",
)
OPERATIONS = ("elect", "reassign", "min-isr", "topic")
"""What an operator may do, see `operator`."""
FAULTS_OF_ONE_NODE = tuple(each for each in FAULTS if each != "pair")
CLUSTER_FAULTS_NEED = 3


@dataclass(frozen=True)
class Setup:
    """See the module."""

    seed: int
    nodes: int = 1
    partitions: int = 2
    replication_factor: int = 1
    min_insync_replicas: int = 1
    segment_bytes: int = 1 << 20
    flush: str = "fsync"
    producers: int = 2
    unsafe_producers: int = 0
    """Those with acks=1."""
    readers: int = 1
    members: int = 2
    pace_s: float = 0.05
    """What a producer waits between two records, about."""
    value_bytes: int = 40
    faults: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    observers: int = 0
    """So many of the nodes have joined, and do not vote."""
    delay_s: float = 0.0005
    jitter_s: float = 0.002
    split: float = 0.05
    safety_s: float = 20.0

    def __str__(self) -> str:
        return (
            f"{self.nodes} nodes, {self.partitions} partitions x {self.replication_factor}, "
            f"min ISR {self.min_insync_replicas}, segments of {self.segment_bytes}, {self.flush}, "
            f"{self.observers} observers, operations: {' '.join(self.operations) or 'none'}, "
            f"faults: {' '.join(self.faults) or 'none'}"
        )


def draw_setup(seed: int, nodes: int | None = None) -> Setup:
    """The setup of a seed; `nodes` takes the place of the size that it draws."""
    random = Random(f"setup {seed}")
    drawn = random.choice((1, 3, 3, 3, 5))
    nodes = drawn if nodes is None else nodes
    factor = min(nodes, random.choice((1, 2, 3, 3, 3, 3)))
    known = FAULTS if nodes >= CLUSTER_FAULTS_NEED else FAULTS_OF_ONE_NODE
    faults = tuple(each for each in known if random.random() < 0.5) or ("kill",)
    flush = random.choice(("fsync", "fsync", "fsync", "os"))
    if flush == "os":  # It promises nothing when the power goes; but see below.
        faults = tuple(each for each in faults if each != "power") or ("kill",)
    more = Random(f"more {seed}")  # So that what came first is drawn as it always was.
    is_operated = nodes >= CLUSTER_FAULTS_NEED and more.random() < 0.5
    setup = Setup(
        seed=seed,
        nodes=nodes,
        partitions=random.choice((1, 2, 3)),
        replication_factor=factor,
        min_insync_replicas=1 if factor == 1 else random.choice((1, 2, 2, 2)),
        segment_bytes=random.choice((700, 3000, 1 << 20)),
        flush=flush,
        producers=random.choice((1, 2, 3)),
        unsafe_producers=random.choice((0, 0, 1)),
        readers=random.choice((1, 1, 2)),
        members=random.choice((0, 1, 2, 3)),
        pace_s=random.choice((0.05, 0.1, 0.2)),
        value_bytes=random.choice((10, 40, 300)),
        faults=faults,
        operations=tuple(each for each in OPERATIONS if is_operated and more.random() < 0.5),
        observers=nodes - 3 if nodes > CLUSTER_FAULTS_NEED and more.random() < 0.5 else 0,
        delay_s=random.choice((0.0001, 0.0005, 0.005)),
        jitter_s=random.choice((0.0, 0.002, 0.02)),
        split=random.choice((0.0, 0.05, 0.3)),
    )
    is_replicated = setup.replication_factor > setup.min_insync_replicas > 1
    if flush == "os" and is_replicated and more.random() < 0.5:
        # One disk at a time may forget. One that breaks beside it would be one too many.
        faults = tuple(each for each in faults if each != "bad-disk")
        setup = replace(setup, faults=(*faults, "power"))
    return setup
