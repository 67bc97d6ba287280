"""The tuples that users see."""

import pytest

from minikafka import ConsumerRecord, RecordMetadata


def test_records_cannot_be_changed():
    metadata = RecordMetadata("t", 0, 5, 1000)
    record = ConsumerRecord("t", 0, 5, 1000, 0, None, b"v", (), -1)
    for each in (metadata, record):
        with pytest.raises(AttributeError):
            each.offset = 6  # pyright: ignore[reportAttributeAccessIssue]
