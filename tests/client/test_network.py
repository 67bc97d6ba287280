"""The network against scripted brokers: bootstrap, refresh, reconnection, sentences."""

from random import Random

import pytest

from minikafka.client.errors import CannotConnect, KafkaTimeout
from minikafka.client.network import ANY_NODE, Lane, Network
from minikafka.client.settings import NetworkSettings
from minikafka.protocol.api.metadata import MetadataRequest, MetadataResponse
from minikafka.protocol.errors import ErrorCode, KafkaError

from ..transport.scripted_broker import API_VERSIONS, METADATA, SILENCE, ScriptedBroker
from .cluster import Cluster

NOBODY = ("127.0.0.1", 1)


def network_of(*addresses: tuple[str, int], timeout_ms: int = 5000) -> Network:
    """A network that has not been started, impatient in all but its time-out."""
    settings = NetworkSettings(
        bootstrap_servers=addresses,
        request_timeout_ms=timeout_ms,
        retry_backoff_ms=1,
        reconnect_backoff_max_ms=10,
    )
    return Network(settings, Random(1))


def address_of(broker: ScriptedBroker) -> tuple[str, int]:
    """Where the broker listens."""
    return "127.0.0.1", broker.port


async def test_start_finds_the_one_bootstrap_server_that_runs():
    async with ScriptedBroker() as broker:
        Cluster(broker)
        network = network_of(NOBODY, address_of(broker), ("127.0.0.1", 2))
        await network.start()
        assert set(network.metadata.brokers) == {1}
        await network.close()


async def test_start_fails_at_once_when_nobody_listens():
    with pytest.raises(CannotConnect, match=r"127.0.0.1:1.*is a broker running there"):
        await network_of(NOBODY).start()


@pytest.mark.parametrize("silent", [API_VERSIONS, METADATA])
async def test_start_fails_in_its_time_when_nobody_answers(silent: int):
    async with ScriptedBroker({silent: lambda _: SILENCE}) as broker:
        with pytest.raises(KafkaError, match="within 50 ms"):
            await network_of(address_of(broker), timeout_ms=50).start()


async def test_a_topic_is_found_once_it_is_there():
    async with ScriptedBroker() as broker:
        cluster = Cluster(broker)
        cluster.topic_error = int(ErrorCode.LEADER_NOT_AVAILABLE)
        network = network_of(address_of(broker))
        await network.start()
        tries: list[bool] = []

        def metadata(request: MetadataRequest) -> MetadataResponse:
            tries.append(True)
            if len(tries) == 3:
                cluster.topic_error = 0
            return cluster.metadata(request)

        broker.handlers[METADATA] = metadata
        assert (await network.topic("t", 5000)).name == "t"
        assert len(tries) == 3
        await network.close()


async def test_a_topic_that_cannot_be_is_an_error_at_once():
    async with ScriptedBroker() as broker:
        Cluster(broker).topic_error = int(ErrorCode.INVALID_TOPIC_EXCEPTION)
        network = network_of(address_of(broker))
        await network.start()
        with pytest.raises(KafkaError, match="topic 'no way'"):
            await network.topic("no way", 5000)
        await network.close()


async def test_an_unknown_topic_is_an_error_after_a_while():
    async with ScriptedBroker() as broker:
        Cluster(broker).topic_error = int(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        network = network_of(address_of(broker))
        await network.start()
        with pytest.raises(KafkaError, match="the cluster has no topic 'x': create it"):
            await network.topic("x", 50)
        await network.close()


async def test_a_broken_connection_is_opened_again():
    async with ScriptedBroker() as broker:
        Cluster(broker)
        network = network_of(address_of(broker))
        await network.start()
        before = await network.connection(1, 5000)
        await broker.stop()
        async with broker:
            while (after := await network.connection(1, 5000)) is before:
                assert await network.changed.wait(network.now_ms() + 5000)
            assert not after.is_closed
            await network.close()


async def test_an_advertised_address_that_nobody_serves_is_a_sentence():
    async with ScriptedBroker() as broker, ScriptedBroker() as gone:
        Cluster(broker, gone)
        await gone.stop()
        network = network_of(address_of(broker))
        await network.start()
        with pytest.raises(KafkaTimeout, match=f"broker 2 advertises 127.0.0.1:{gone.port}"):
            await network.connection(2, 50)
        with pytest.raises(KafkaTimeout, match="no broker 7"):
            await network.connection(7, 50)
        await network.close()


async def test_long_polls_have_a_connection_of_their_own():
    async with ScriptedBroker() as broker:
        Cluster(broker)
        network = network_of(address_of(broker))
        await network.start()
        plain = await network.connection(1, 5000)
        while (poll := network.ready(1, Lane.FETCHES)) is None:
            assert await network.changed.wait(network.now_ms() + 5000)
        assert poll is not plain
        await network.close()
        assert poll.is_closed
        assert plain.is_closed


async def test_a_broker_that_the_cluster_has_no_more_is_not_asked_though_it_is_connected():
    async with ScriptedBroker() as broker, ScriptedBroker() as fenced:
        cluster = Cluster(broker, fenced)
        network = network_of(address_of(broker), timeout_ms=500)
        await network.start()
        await network.connection(2, 5000)
        del cluster.brokers[2]
        await network.connection(1, 5000)
        network.request_refresh()
        while 2 in network.metadata.brokers:
            assert await network.changed.wait(network.now_ms() + 5000)
        await broker.stop()
        async with broker:
            assert (await network.connection(ANY_NODE, 5000)).address.endswith(f":{broker.port}")
        await network.close()
