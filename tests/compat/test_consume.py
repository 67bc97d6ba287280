"""Each client finds its place in a partition: by offset, by time, at its ends."""

import pytest

from .clients import AdminClient, Client, contents, record

TIME_MS = 1_700_000_000_000
COUNT = 100


@pytest.fixture
def filled(topic: str, anybody: AdminClient) -> str:
    """A topic of a hundred records, a second apart, in batches of a few."""
    records = [record(b"%d" % index, timestamp=TIME_MS + index * 1_000) for index in range(COUNT)]
    for start in range(0, COUNT, 25):
        anybody.send(topic, records[start : start + 25])
    return topic


def test_reading_begins_at_any_offset_even_within_a_batch(client: Client, filled: str):
    for start in (0, 13, COUNT - 1):
        read = client.read(filled, COUNT - start, start=start)
        assert [each.offset for each in read] == list(range(start, COUNT))


def test_reading_begins_at_the_first_record_as_new_as_a_time(client: Client, filled: str):
    read = client.read_since(filled, 3, TIME_MS + 41_500)
    assert [each.value for each in read] == [b"42", b"43", b"44"]


def test_watermarks_are_the_first_offset_and_the_one_after_the_last(client: Client, filled: str):
    assert client.watermarks(filled) == (0, COUNT)


def test_a_reader_gets_what_is_written_while_it_waits(client: Client, topic: str):
    client.send(topic, [record(b"first")])
    assert contents(client.read(topic, 1)) == contents([record(b"first")])
    client.send(topic, [record(b"second")])
    assert [each.value for each in client.read(topic, 2)] == [b"first", b"second"]
