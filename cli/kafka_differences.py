"""Where an option differs from Kafka's option of that name, or of that purpose, and why. PURE.

docs/configuration.md prints this table, `minikafka config explain` a row of it. An option that is
not here has Kafka's name, unit, meaning and default.
"""

from typing import Final, NamedTuple


class Difference(NamedTuple):
    """What Kafka has, what we have instead, and the reason; in Markdown."""

    options: tuple[str, ...]
    kafka: str
    here: str
    why: str


DIFFERENCES: Final = (
    Difference(
        ("listen",),
        "`listeners`, all interfaces",
        "127.0.0.1 only; other addresses need `insecure.listen`",
        "there is no authentication yet",
    ),
    Difference(
        ("advertise",),
        "`advertised.listeners`; without it the host's own name",
        "of a lone node the address by which the client came; in a cluster that of `listen`",
        "works through port forwarding; in a cluster all must be told the same",
    ),
    Difference(
        ("follower.replication.throttled.rate",),
        "no bound by default; holds for the replicas that each topic lists",
        "0: no bound; holds for replicas that a reassignment is adding",
        "the controller knows which these are",
    ),
    Difference(
        ("controller.listen",),
        "`controller.listener.names`, Kafka's own protocol",
        "an address; msgpack, in which clients only read",
        "the messages between nodes are few and small, and learners look at them",
    ),
    Difference(
        ("voters",),
        "`controller.quorum.voters`, or voters that come and go (KIP-853)",
        "ID@HOST:PORT, the same list for ever",
        "one thing less that can go wrong",
    ),
    Difference(
        ("join",),
        "`controller.quorum.bootstrap.servers`",
        "the control planes to ask for the voters",
        "a broker needs one address of the cluster",
    ),
    Difference(
        ("cluster.secret.file", "route"),
        "no such option; security has many",
        "a secret that nodes greet each other with; a way around for tests of faults",
        "a password among nodes; faults between two of them",
    ),
    Difference(
        ("default.replication.factor",),
        "1",
        "3, and at most one replica for each voter",
        "a lone node has one, and who has three nodes wants three copies",
    ),
    Difference(
        ("broker.heartbeat.interval.ms", "broker.session.timeout.ms"),
        "2 s, 9 s",
        "500 ms, 6 s",
        "a node that is gone is noticed sooner",
    ),
    Difference(
        ("replica.lag.time.max.ms", "replica.fetch.backoff.ms"),
        "30 s, 1 s",
        "10 s, 100 ms",
        "the nodes of a small cluster are near each other",
    ),
    Difference(
        ("data.dir",),
        "`log.dirs`, several, `/tmp/kafka-logs`",
        "one, `minikafka-data/node-N`",
        "`/tmp` is emptied at a restart",
    ),
    Difference(
        ("flush",),
        "the system writes when it likes (`log.flush.*`)",
        "`fsync`: on disk before `acks=all` is answered",
        "with one node there is no other copy",
    ),
    Difference(
        ("insecure.listen", "log.format", "log.level"),
        "no such option; log lines have a file of their own",
        "options like all others",
        "one place for everything that can be set",
    ),
    Difference(
        ("socket.request.max.bytes",),
        "100 MiB",
        "16 MiB",
        "the largest batch is 1 MiB by default",
    ),
    Difference(
        ("queued.max.request.bytes", "max.connections"),
        "unbounded",
        "128 MiB; 10,000",
        "memory and file descriptors have a bound",
    ),
    Difference(
        ("log.segment.bytes", "segment.bytes"),
        "1 MiB at least, since Kafka 4.0",
        "14 bytes at least",
        "tests roll segments",
    ),
    Difference(
        ("log.roll.ms", "log.retention.ms"),
        "also in hours and minutes",
        "milliseconds only",
        "one way to say it",
    ),
    Difference(
        ("log.flush.offset.checkpoint.interval.ms",),
        "60 s",
        "5 s",
        "a start after a crash reads less",
    ),
    Difference(
        ("group.initial.rebalance.delay.ms",),
        "3 s",
        "100 ms",
        "on one machine the members of a group come at once",
    ),
    Difference(
        ("offsets.topic.num.partitions", "offsets.topic.segment.bytes"),
        "50 partitions of 100 MiB segments",
        "8 of 16 MiB",
        "fewer files, and a start reads less",
    ),
)


def difference_of(option: str) -> Difference | None:
    """How this option differs from Kafka's; None if it does not."""
    return next((each for each in DIFFERENCES if option in each.options), None)
