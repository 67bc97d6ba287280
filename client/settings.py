"""What a client's user may say about its connections, and how servers are written. PURE."""

from dataclasses import dataclass
from typing import Final

DEFAULT_PORT: Final = 9092


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What a client's user may say about its connections."""

    bootstrap_servers: tuple[tuple[str, int], ...]
    client_id: str = "minikafka"
    request_timeout_ms: int = 30_000
    retry_backoff_ms: int = 100
    reconnect_backoff_max_ms: int = 1000
    metadata_max_age_ms: int = 300_000
    allow_auto_create_topics: bool = True


def parse_servers(servers: str | list[str] | tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """(host, port) pairs from "HOST:PORT,HOST:PORT" or a list of such; raises ValueError.

    An IPv6 address stands in brackets; a host without port gets 9092.
    """
    if not isinstance(servers, str | list | tuple):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"bootstrap_servers={servers!r} is neither a str nor a list of them")
    texts = servers.split(",") if isinstance(servers, str) else list(servers)
    addresses: list[tuple[str, int]] = []
    for text in (text.strip() for text in texts):
        host, colon, port = text.rpartition(":")
        if not colon or text.endswith("]"):
            host, port = text, str(DEFAULT_PORT)
        host = host.removeprefix("[").removesuffix("]")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"bootstrap server {text!r} is not HOST:PORT")
        addresses.append((host, int(port)))
    return tuple(addresses)
