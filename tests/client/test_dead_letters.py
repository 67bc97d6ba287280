"""Where a letter comes from, and why it is there. Letters themselves: see test_worker."""

from minikafka import ConsumerRecord
from minikafka.client.dead_letters import MAX_ERROR_BYTES, reasons

RECORD = ConsumerRecord("orders", 3, 17, 1234, 0, b"key", b"value", (("trace", b"1"),), 5)


def test_the_headers_say_where_it_stands_and_what_happened():
    assert reasons(RECORD, "ValueError: no such thing", 3) == [
        ("dead-letter.topic", b"orders"),
        ("dead-letter.partition", b"3"),
        ("dead-letter.offset", b"17"),
        ("dead-letter.timestamp", b"1234"),
        ("dead-letter.error", b"ValueError: no such thing"),
        ("dead-letter.attempts", b"3"),
    ]


def test_an_endless_error_is_cut_off_and_a_broken_text_is_no_error():
    headers = dict(reasons(RECORD, "\udc80" + "x" * 100_000, 1))
    assert headers["dead-letter.error"] == b"?" + b"x" * (MAX_ERROR_BYTES - 1)
