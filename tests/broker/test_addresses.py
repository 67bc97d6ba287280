"""Where a node listens, and what it tells."""

import pytest

from minikafka.broker.addresses import (
    advertised_address,
    client_address,
    control_address,
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
