"""Each client reads what each other wrote, in every codec that both have."""

from .clients import Client, contents, record

SENT = [
    record(b"value" * 40, b"key"),
    record(None, b"key"),
    record(b"", b""),
    record(b"value", None, [("name", b"value"), ("empty", b""), ("null", None)]),
]


def test_each_client_reads_what_each_other_wrote(writer: Client, reader: Client, topic: str):
    codecs = [codec for codec in writer.codecs if codec in reader.codecs]
    for codec in codecs:
        writer.send(topic, SENT, settings={"compression.type": codec} if codec != "none" else {})
    read = reader.read(topic, len(SENT) * len(codecs))
    assert contents(read) == contents(SENT * len(codecs))
