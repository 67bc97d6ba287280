"""What was read once stays: the same value at the same offset for who reads there later. PURE.

A reader who comes by the place again has to find it; a record that only lay above a log which is
now shorter shows when something else takes its offset.
"""

from collections.abc import Iterator

from .evidence import Evidence
from .finding import Finding
from .operation import Key
from .positions import Step, wrong_steps


def unstable_reads(evidence: Evidence) -> Iterator[Finding]:
    """`read-stability`: a record that was read is another one later, or gone."""
    for key, order in evidence.orders.items():
        readers = evidence.ok_readers.get(key, {})
        for offset, values in sorted(order.conflicts.items()):
            read = [value for value in values if value in readers]
            if len(read) > 1:
                yield Finding(
                    "read-stability",
                    key,
                    f"at offset {offset} both {read[0]!r} and {read[1]!r} were read",
                    [readers[value] for value in read[:2]],
                    [offset],
                )
    for step in wrong_steps(evidence):
        if step.delta > 1 and (step.is_internal or not step.is_subscribed):
            yield from _gone(evidence, step.key, step)


def _gone(evidence: Evidence, key: Key, step: Step) -> Iterator[Finding]:
    """The first of the skipped records which somebody had read before this operation began."""
    readers = evidence.ok_readers.get(key, {})
    reader = step.operations[-1]
    for offset in step.skipped:
        for value in evidence.orders[key].values_at(offset):
            earlier = readers.get(value)
            if earlier is not None and earlier.ended < reader.began:
                sentence = f"{value!r} was read at offset {offset}, and was not there later"
                yield Finding("read-stability", key, sentence, [earlier, reader], [offset])
                return
