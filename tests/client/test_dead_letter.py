"""A record that is put aside keeps what it was, and says why."""

from minikafka import ConsumerRecord
from minikafka.client.dead_letter import MAX_ERROR_BYTES, dead_letter

RECORD = ConsumerRecord("orders", 3, 17, 1234, 0, b"key", b"value", (("trace", b"1"),), 5)


def test_a_letter_is_the_record_and_why_it_is_there():
    assert dead_letter(RECORD, "ValueError: no such thing", 3) == (
        b"value",
        b"key",
        (
            ("trace", b"1"),
            ("dead-letter.topic", b"orders"),
            ("dead-letter.partition", b"3"),
            ("dead-letter.offset", b"17"),
            ("dead-letter.timestamp", b"1234"),
            ("dead-letter.error", b"ValueError: no such thing"),
            ("dead-letter.attempts", b"3"),
        ),
    )


def test_an_endless_error_is_cut_off_and_a_broken_text_is_no_error():
    headers = dict(dead_letter(RECORD, "\udc80" + "x" * 100_000, 1).headers)
    assert headers["dead-letter.error"] == b"?" + b"x" * (MAX_ERROR_BYTES - 1)
