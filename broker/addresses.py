"""Where a node listens, and where it tells clients to come.

clients   --listen
control   --controller-listen, else the host of clients and their port + 10000; a free port if
          there is no such number, or if that of clients is free as well
told      --advertise, else the address by which a client came; the control plane is told at
          that host too, unless it has an address of its own

In a cluster (--voters or --join) everybody is told the same, so that nobody comes by an address
that only one of them can reach: --advertise, else the address of --listen. What cannot work is
refused before anything is bound: an address of every interface with nothing to tell, a voter that
is not where the list of voters says, and a control plane off loopback without a secret.
"""

import logging
from typing import TYPE_CHECKING

from .config import Address, BrokerConfig, format_address, parse_address
from .options import ConfigError

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

CONTROL_PORT_DISTANCE = 10_000
LAST_PORT = 65_535
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EVERY_INTERFACE = ("0.0.0.0", "::")

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


def advertised_address(config: BrokerConfig, bound_port: int = 0) -> Address | None:
    """What everybody is told; None for the address by which they came. Raises ConfigError.

    In a cluster without --advertise it is the host of --listen with the port that it got.
    """
    if config.advertise:
        return parse_address(config.advertise, "advertise")
    if not config.is_clustered:
        return None
    host, port = client_address(config)
    return host, port or bound_port


def told_control_host(config: BrokerConfig) -> str:
    """The host at which clients are told to find the control plane; "" for the clients' own."""
    if not config.controller_listen:
        return ""
    host, _ = control_address(config)
    return "" if host in _EVERY_INTERFACE else host


def refuse_impossible_cluster(config: BrokerConfig) -> None:
    """Raise ConfigError where the options about the other nodes cannot work; a lone node passes."""
    if not config.is_clustered:
        return
    voters = config.voter_addresses
    if voters and config.join:
        raise ConfigError(
            "--voters and --join exclude each other: a voter is in the list of voters, "
            "and any other node joins"
        )
    if config.join:
        _ = config.join_addresses  # Read here for its errors.
    else:
        _refuse_misplaced_voter(config, voters)
    told = advertised_address(config)
    if told is not None and told[0] in _EVERY_INTERFACE:
        raise ConfigError(
            f"nobody can be told to come to {told[0]}: in a cluster, add --advertise HOST:PORT "
            "with an address that clients and the other nodes reach"
        )
    control_host, _ = control_address(config)
    if not config.cluster_secret_file and not _is_loopback(control_host):
        raise ConfigError(
            f"on {control_host} anybody could pose as a node of this cluster; "
            "add --cluster-secret-file FILE, the same secret on every node"
        )


def _refuse_misplaced_voter(config: BrokerConfig, voters: dict[int, Address]) -> None:
    mine = control_address(config)
    if config.node_id not in voters:
        ids = ", ".join(map(str, sorted(voters)))
        raise ConfigError(
            f"node {config.node_id} is not in --voters (nodes {ids}); "
            "a node without a vote uses --join"
        )
    host, port = voters[config.node_id]
    is_mine = port == mine[1] and (host == mine[0] or mine[0] in _EVERY_INTERFACE or _is_name(host))
    if not is_mine:
        raise ConfigError(
            f"--voters has node {config.node_id} at {format_address(host, port)}, but its "
            f"control plane listens on {format_address(*mine)}, see --controller-listen"
        )


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
    return host in _LOOPBACK or (not _is_name(host) and _parse_ip(host).is_loopback)


def _is_name(host: str) -> bool:
    """Whether this host is a name, which may stand for any address."""
    try:
        _parse_ip(host)
    except ValueError:
        return True
    return False


def _parse_ip(host: str) -> "IPv4Address | IPv6Address":
    from ipaddress import ip_address  # Start-up is imports, and this is the rare case.

    return ip_address(host)
