"""What was read and should not have been: never written, refused, or not yet committed. PURE.

A consumer in a transaction reads committed records only, its own among them not before the end; so
do all consumers of topics to which transactions write (isolation.level=read_committed).
"""

from collections.abc import Iterator, Sequence

from .event import FAIL
from .evidence import Evidence
from .finding import Finding, at
from .operation import Key, Operation, Read


def wrong_reads(evidence: Evidence) -> Iterator[Finding]:
    """`phantom`: nobody wrote it, or only later; `G1a`: who wrote it failed."""
    for operation in evidence.operations:
        for key, records in (operation.reads or {}).items():
            yield from _wrong_in(evidence, operation, key, records)


def _wrong_in(
    evidence: Evidence, reader: Operation, key: Key, records: Sequence[Read]
) -> Iterator[Finding]:
    writers = evidence.writers.get(key, {})
    for offset, value in records:
        writer = writers.get(value)
        offsets = () if offset is None else (offset,)
        if writer is None:
            sentence = f"{value!r} was read at {at(offset)}, and nobody wrote it"
            yield Finding("phantom", key, sentence, [reader], offsets)
        elif writer.outcome == FAIL:
            sentence = f"{value!r} was read at {at(offset)}, and its writer failed"
            yield Finding("G1a", key, sentence, [writer, reader], offsets)
        elif writer.began > reader.ended:
            sentence = f"{value!r} was read at {at(offset)} before it was sent"
            yield Finding("phantom", key, sentence, [reader, writer], offsets)


def precommitted_reads(evidence: Evidence) -> Iterator[Finding]:
    """A transaction that read what itself wrote, and so read before the commit."""
    for operation in evidence.operations:
        if not operation.sends or not operation.reads:
            continue
        for send in operation.sends:
            for offset, value in operation.reads.get(send.key, ()):
                if value == send.value:
                    sentence = f"{value!r} was read by the transaction that sent it"
                    offsets = () if offset is None else (offset,)
                    yield Finding("precommitted-read", send.key, sentence, [operation], offsets)
