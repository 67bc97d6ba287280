"""Where a node listens, and where it tells clients to come.

clients   --listen
control   --controller-listen, else the host of clients and their port + 10000; a free port if
          there is no such number, or if that of clients is free as well
told      --advertise, else the address by which a client came; the control plane is told at
          that host too, unless it has an address of its own
"""

import logging

from .config import BrokerConfig, parse_address
from .options import ConfigError

CONTROL_PORT_DISTANCE = 10_000
LAST_PORT = 65_535
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EVERY_INTERFACE = ("0.0.0.0", "::")

Address = tuple[str, int]

log = logging.getLogger("minikafka.node")


def client_address(config: BrokerConfig) -> Address:
    """Where clients connect; raises ConfigError."""
    return parse_address(config.listen, "listen")


def control_address(config: BrokerConfig) -> Address:
    """Where the control plane listens; raises ConfigError."""
    if config.controller_listen:
        return parse_address(config.controller_listen, "controller.listen")
    host, port = client_address(config)
    port += CONTROL_PORT_DISTANCE if port else 0
    return host, port if port <= LAST_PORT else 0


def advertised_address(config: BrokerConfig) -> Address | None:
    """What clients are told; None for the address by which they came. Raises ConfigError."""
    return parse_address(config.advertise, "advertise") if config.advertise else None


def told_control_host(config: BrokerConfig) -> str:
    """The host at which clients are told to find the control plane; "" for the clients' own."""
    if not config.controller_listen:
        return ""
    host, _ = control_address(config)
    return "" if host in _EVERY_INTERFACE else host


def refuse_strangers(config: BrokerConfig) -> None:
    """Raise ConfigError for an address off loopback, unless that is meant."""
    hosts = {host for host, _ in (client_address(config), control_address(config))}
    for host in sorted(hosts):
        if _is_loopback(host):
            continue
        if not config.insecure_listen:
            raise ConfigError(
                f"listening on {host} lets anybody read and write without a password; "
                "add --insecure-listen if that is meant"
            )
        log.warning("INSECURE: listening on %s without encryption or authentication", host)


def _is_loopback(host: str) -> bool:
    if host in _LOOPBACK:
        return True
    from ipaddress import ip_address  # Start-up is imports, and this is the rare case.

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
