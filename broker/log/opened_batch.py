"""The records of one batch on disk or under way, opened within bounds.

A broker opens a batch in two places: to find a record by its time, and to see that each has a key
in a compacted topic. The batch is a producer's, who may have made it so that it opens into far
more than it weighs; and while it is opened, everybody waits.

Left out: compaction has bounds of its own, since it must open whatever was taken.
"""

from collections.abc import Iterator

from ...protocol.batch import BatchHeader
from ...protocol.primitives import Buffer, ProtocolError
from ...protocol.records import Record, iterate

MAX_OPENED_RECORDS = 100_000
MAX_OPENED_BYTES = 16 << 20


def open_batch(batch: Buffer, header: BatchHeader) -> Iterator[Record]:
    """Yield the records, one decoded at a time.

    ProtocolError when they cannot be read, or are more than is opened for anybody.
    """
    if header.record_count > MAX_OPENED_RECORDS:
        message = f"a batch of {header.record_count} records, {MAX_OPENED_RECORDS} are opened"
        raise ProtocolError(message)
    yield from iterate(batch, header, MAX_OPENED_BYTES)
