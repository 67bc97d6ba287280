"""Where a node listens, and what it tells."""

import pytest

from minikafka.broker.addresses import (
    advertised_address,
    client_address,
    control_address,
    refuse_impossible_cluster,
    told_control_host,
)
from minikafka.broker.config import BrokerConfig
from minikafka.broker.options import ConfigError


@pytest.mark.parametrize(
    ("listen", "controller_listen", "expected"),
    [
        ("127.0.0.1:9092", "", ("127.0.0.1", 19092)),
        ("[::1]:9092", "", ("::1", 19092)),
        ("127.0.0.1:0", "", ("127.0.0.1", 0)),
        ("127.0.0.1:55535", "", ("127.0.0.1", 65535)),
        ("127.0.0.1:55536", "", ("127.0.0.1", 0)),
        ("127.0.0.1:9092", "localhost:7", ("localhost", 7)),
    ],
)
def test_the_control_plane_is_ten_thousand_ports_above_the_clients(
    listen: str, controller_listen: str, expected: tuple[str, int]
) -> None:
    config = BrokerConfig(listen=listen, controller_listen=controller_listen)
    assert control_address(config) == expected


@pytest.mark.parametrize(
    ("controller_listen", "expected"),
    [("", ""), ("0.0.0.0:1", ""), ("[::]:1", ""), ("10.0.0.5:1", "10.0.0.5")],
)
def test_its_host_is_that_of_clients_unless_it_has_its_own(
    controller_listen: str, expected: str
) -> None:
    assert told_control_host(BrokerConfig(controller_listen=controller_listen)) == expected


def test_clients_are_told_what_is_advertised() -> None:
    assert advertised_address(BrokerConfig()) is None
    assert advertised_address(BrokerConfig(advertise="me:5")) == ("me", 5)


def test_an_address_that_is_none_names_its_option() -> None:
    for read, config, option in (
        (client_address, BrokerConfig(listen="9092"), "listen"),
        (control_address, BrokerConfig(controller_listen="x"), "controller.listen"),
        (advertised_address, BrokerConfig(advertise="x:y"), "advertise"),
    ):
        with pytest.raises(ConfigError, match=f"option '{option}'"):
            read(config)


THREE = "1@127.0.0.1:19092,2@127.0.0.1:19093,3@127.0.0.1:19094"


def test_a_cluster_is_told_where_the_node_listens_unless_it_advertises() -> None:
    assert advertised_address(BrokerConfig(voters=THREE)) == ("127.0.0.1", 9092)
    assert advertised_address(BrokerConfig(join="a:1", listen="a:0"), 5) == ("a", 5)
    assert advertised_address(BrokerConfig(voters=THREE, advertise="me:5")) == ("me", 5)


@pytest.mark.parametrize(
    "config",
    [
        BrokerConfig(),
        BrokerConfig(voters=THREE),
        BrokerConfig(node_id=3, listen="127.0.0.1:9094", voters=THREE),
        BrokerConfig(node_id=2, controller_listen="127.0.0.1:19093", voters=THREE),
        BrokerConfig(voters="1@localhost:19092"),
        BrokerConfig(
            listen="0.0.0.0:9092",
            advertise="a:9092",
            voters="1@10.0.0.1:19092",
            cluster_secret_file="s",
        ),
        BrokerConfig(node_id=4, join="127.0.0.1:19092"),
    ],
)
def test_a_cluster_that_can_work_is_not_refused(config: BrokerConfig) -> None:
    refuse_impossible_cluster(config)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (BrokerConfig(voters=THREE, join="a:1"), "--voters and --join exclude each other"),
        (BrokerConfig(node_id=4, voters=THREE), r"node 4 is not in --voters \(nodes 1, 2, 3\)"),
        (
            BrokerConfig(node_id=2, voters=THREE),
            "--voters has node 2 at 127.0.0.1:19093, but its control plane listens on "
            "127.0.0.1:19092",
        ),
        (BrokerConfig(listen="127.0.0.1:0", voters=THREE), "listens on 127.0.0.1:0"),
        (BrokerConfig(voters="1@10.0.0.1:19092"), "listens on 127.0.0.1:19092"),
        (BrokerConfig(voters="one"), "option 'voters' is a list of ID@HOST:PORT, not 'one'"),
        (BrokerConfig(voters="1@a:1,1@b:2"), "option 'voters' has node 1 twice"),
        (BrokerConfig(join="a"), "option 'join' is HOST:PORT, not 'a'"),
        (
            BrokerConfig(listen="0.0.0.0:9092", voters="1@a:19092", cluster_secret_file="s"),
            "nobody can be told to come to 0.0.0.0",
        ),
        (
            BrokerConfig(listen="10.0.0.1:9092", join="10.0.0.2:19092"),
            "on 10.0.0.1 anybody could pose as a node",
        ),
    ],
)
def test_a_cluster_that_cannot_work_is_one_sentence(config: BrokerConfig, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        refuse_impossible_cluster(config)
