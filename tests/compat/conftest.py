"""Fixtures that run a test once for each client that can do what the test asks for."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from confluent_kafka import Producer

from ..nodes import NodeProcess
from .aiokafka_client import AiokafkaClient
from .clients import DEADLINE_S, AdminClient, Client
from .confluent_client import ConfluentClient
from .kafka_python_client import KafkaPythonClient
from .kcat_client import PROGRAM, KcatClient
from .minikafka_client import MinikafkaClient

ADMIN_CLIENTS: Sequence[type[AdminClient]] = (
    ConfluentClient,
    KafkaPythonClient,
    AiokafkaClient,
    MinikafkaClient,
)
CLIENTS: Sequence[type[Client]] = (*ADMIN_CLIENTS, KcatClient)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs kcat where there is none."""
    if PROGRAM is None:
        without = pytest.mark.skip(reason="kcat is not installed (Debian: apt-get install kcat)")
        for item in items:
            if "kcat" in item.name:
                item.add_marker(without)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each client, or for each pair of `writer` and `reader`.

    A test that asks for a `codec` as well gets those of its client; `admin` is a client that can
    change the cluster.
    """
    if "codec" in metafunc.fixturenames:
        pairs = [(each, codec) for each in CLIENTS for codec in each.codecs]
        names = [f"{each.name}-{codec}" for each, codec in pairs]
        metafunc.parametrize(("client", "codec"), pairs, ids=names, indirect=["client"])
        return
    for fixture in {"client", "stranger", "writer", "reader", "admin"} & set(metafunc.fixturenames):
        classes = ADMIN_CLIENTS if fixture == "admin" else CLIENTS
        metafunc.parametrize(fixture, classes, ids=lambda each: each.name, indirect=True)


@pytest.fixture
def client(request: pytest.FixtureRequest, shared_broker: NodeProcess) -> Client:
    """Each client in turn."""
    return request.param(shared_broker.bootstrap)


@pytest.fixture
def writer(request: pytest.FixtureRequest, shared_broker: NodeProcess) -> Client:
    """Each client in turn, to be combined with each reader."""
    return request.param(shared_broker.bootstrap)


@pytest.fixture
def reader(request: pytest.FixtureRequest, shared_broker: NodeProcess) -> Client:
    """Each client in turn, to be combined with each writer."""
    return request.param(shared_broker.bootstrap)


@pytest.fixture
def admin(request: pytest.FixtureRequest, shared_broker: NodeProcess) -> AdminClient:
    """Each client that can create and delete topics."""
    return request.param(shared_broker.bootstrap)


@pytest.fixture
def anybody(shared_broker: NodeProcess) -> AdminClient:
    """One client, for what a test needs done but is not about."""
    return ConfluentClient(shared_broker.bootstrap)


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """The name of a topic that no other test uses; it is not created."""
    name = f"{request.path.stem}-{request.node.name}"
    return "".join(each if each.isalnum() else "-" for each in name)


@pytest.fixture
def stranger(request: pytest.FixtureRequest, strict_broker: NodeProcess) -> Client:
    """Each client in turn, where topics are not created by asking for them."""
    return request.param(strict_broker.bootstrap)


@pytest.fixture(scope="session")
def strict_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node that creates topics only when it is told to."""
    data_dir: Path = tmp_path_factory.mktemp("strict") / "node-1"
    node = NodeProcess(data_dir, "-c", "auto.create.topics.enable=false").start()
    yield node
    node.kill()


@pytest.fixture(scope="module")
def mock_cluster() -> Iterator[str]:
    """The addresses of three brokers that live inside librdkafka, as long as their producer."""
    options = {"test.mock.num.brokers": 3, "bootstrap.servers": "replaced", "log_level": 0}
    owner = Producer(options)
    brokers = owner.list_topics(timeout=DEADLINE_S).brokers.values()
    yield ",".join(f"{each.host}:{each.port}" for each in brokers)
    owner.flush(DEADLINE_S)
