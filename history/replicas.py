"""Ground truth: what lies on the disks when all nodes are stopped. PURE.

Whoever reads the files writes one operation `replica` per node, with each partition's high
watermark and records. What was acknowledged is there; below both high watermarks two replicas are
the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, cast

from .event import REPLICA
from .evidence import Evidence, acknowledged
from .finding import Finding
from .operation import Key, Operation, Value


class _Replica(NamedTuple):
    """One partition on one node."""

    node: object
    high_watermark: int
    records: Mapping[int, Value]
    operation: Operation

    @property
    def start_offset(self) -> int:
        """Below it nothing is said."""
        return min(self.records, default=self.high_watermark)


def broken_replicas(evidence: Evidence) -> Iterator[Finding]:
    """`ground-truth`: acknowledged and on no disk; committed and not the same everywhere."""
    replicas = _replicas(evidence)
    yield from _missing(evidence, replicas)
    for key, copies in replicas.items():
        for one, other in pairwise(copies):
            yield from _different(key, one, other)


def _missing(evidence: Evidence, replicas: Mapping[Key, Sequence[_Replica]]) -> Iterator[Finding]:
    starts = {key: min(each.start_offset for each in copies) for key, copies in replicas.items()}
    for operation in evidence.operations:
        for send in operation.sends:
            if send.offset is None or not acknowledged(operation, send):
                continue
            if send.key not in replicas or send.offset < starts[send.key]:
                continue
            if all(each.records.get(send.offset) != send.value for each in replicas[send.key]):
                sentence = f"{send.value!r} was acknowledged at offset {send.offset}, on no disk"
                yield Finding("ground-truth", send.key, sentence, [operation], [send.offset])


def _different(key: Key, one: _Replica, other: _Replica) -> Iterator[Finding]:
    begin = max(one.start_offset, other.start_offset)
    end = min(one.high_watermark, other.high_watermark)
    for offset in sorted(one.records.keys() | other.records.keys()):
        here, there = one.records.get(offset), other.records.get(offset)
        if begin <= offset < end and here != there:
            sentence = (
                f"at offset {offset}, node {one.node} has {here!r} and node {other.node} {there!r}"
            )
            proof = [one.operation, other.operation]
            yield Finding("ground-truth", key, sentence, proof, [offset])


def _replicas(evidence: Evidence) -> dict[Key, list[_Replica]]:
    replicas: dict[Key, list[_Replica]] = {}
    for operation in evidence.operations:
        if operation.f == REPLICA and operation.is_ok:
            value = cast(Mapping[str, Any], operation.value)
            for key, log in value["logs"].items():
                records = dict(cast(list[tuple[int, Value]], log["records"]))
                replica = _Replica(value["node"], log["high_watermark"], records, operation)
                replicas.setdefault(key, []).append(replica)
    return replicas
