"""A topic's compression.type: whatever is sent, each client reads it in the topic's codec."""

import pytest

from minikafka.protocol.records import iterate_batches, read_header

from ..nodes import NodeProcess
from .clients import Client, compressed, contents, record
from .confluent_client import ConfluentClient

SENT = [record(b"value %d" % number * 20, b"key %d" % number) for number in range(20)]


@pytest.mark.parametrize("wanted", ["uncompressed", "gzip", "snappy", "lz4", "zstd"])
def test_each_client_reads_what_was_packed_anew(
    client: Client, shared_broker: NodeProcess, topic: str, wanted: str
):
    ConfluentClient(shared_broker.bootstrap).create_topic(
        topic, configs={"compression.type": wanted}
    )
    for codec in ("none", "gzip"):
        client.send(topic, SENT, settings=compressed(codec))
    data = (shared_broker.data_dir / f"{topic}-0" / f"{0:020d}.log").read_bytes()
    codecs = {read_header(batch).compression for batch in iterate_batches(data)}
    assert codecs == {["uncompressed", "gzip", "snappy", "lz4", "zstd"].index(wanted)}
    if wanted == "uncompressed" or wanted in client.codecs:
        assert contents(client.read(topic, 40)) == contents(SENT * 2)
