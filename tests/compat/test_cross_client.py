"""Each client reads what each other wrote, in every codec that both have."""

from .clients import Client, compressed, contents, record

SENT = [
    record(b"value" * 40, b"key"),
    record(None, b"key"),
    record(b"", b""),
    record(b"value", None, [("name", b"value"), ("empty", b"")]),
]


def test_each_client_reads_what_each_other_wrote(writer: Client, reader: Client, topic: str):
    codecs = [codec for codec in writer.codecs if codec in reader.codecs]
    for codec in codecs:
        writer.send(topic, SENT, settings=compressed(codec))
    read = reader.read(topic, len(SENT) * len(codecs))
    assert contents(read) == contents(SENT * len(codecs))
