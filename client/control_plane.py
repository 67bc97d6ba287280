"""The control planes of a cluster's nodes: where they are, and a link to each that was asked.

    DescribeConfigs ──> minikafka.control.listener ──> HOST:PORT ──> link, until it breaks
                              └── not there: UnsupportedByCluster

Only minikafka has one. A node is asked for its address again when its link has broken, since one
that was restarted may have another.
"""

from typing import Final, TypeVar

from ..protocol.api.describe_configs import (
    ConfigResourceType,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from ..protocol.control_frame import CONTROL_LISTENER
from ..transport.connection import CannotConnect, NetworkException, UnsupportedByCluster
from . import questions
from .control_link import ControlLink
from .network import Network
from .outcome import Outcome, raise_first
from .settings import parse_servers

A = TypeVar("A")

CONNECT_TIMEOUT_MS: Final = 2000
"""For a port that nobody can reach, behind a firewall for example: the answer is to come soon."""


class ControlPlane:
    """Asks nodes what Kafka's protocol has no words for."""

    def __init__(self, network: Network) -> None:
        """Nothing is opened before it is needed."""
        self._network = network
        self._links: dict[int, ControlLink] = {}

    async def ask(
        self, node_id: int, question: object, answer_class: type[A], timeout_ms: int
    ) -> A:
        """The answer of a node; the errors of ControlLink, or UnsupportedByCluster."""
        deadline_ms = self._network.now_ms() + timeout_ms
        link = await self._link(node_id, timeout_ms)
        try:
            return await link.ask(question, answer_class, timeout_ms)
        except NetworkException:
            # It was closed for being silent, or its node was restarted: once more on a new one.
            left_ms = max(deadline_ms - self._network.now_ms(), 1)
            link = await self._link(node_id, left_ms)
            return await link.ask(question, answer_class, left_ms)

    def close(self) -> None:
        """Close every link."""
        links, self._links = self._links, {}
        for link in links.values():
            link.close()

    async def _link(self, node_id: int, timeout_ms: int) -> ControlLink:
        """The open link to a node, or a new one."""
        if (known := self._open_link(node_id)) is not None:
            return known
        host, port = await self._find(node_id, timeout_ms)
        cluster_id = self._network.metadata.cluster_id or ""
        opened = await ControlLink.open(host, port, cluster_id, min(timeout_ms, CONNECT_TIMEOUT_MS))
        if (known := self._open_link(node_id)) is not None:  # Somebody else was faster.
            opened.close()
            return known
        self._links[node_id] = opened
        return opened

    def _open_link(self, node_id: int) -> ControlLink | None:
        link = self._links.get(node_id)
        return None if link is None or link.is_closed else link

    async def _find(self, node_id: int, timeout_ms: int) -> tuple[str, int]:
        """Where a node says that its control plane listens."""
        resource = DescribeConfigsResource(
            resource_type=ConfigResourceType.BROKER,
            resource_name=str(node_id),
            configuration_keys=[CONTROL_LISTENER],
        )
        request = DescribeConfigsRequest(resources=[resource])
        response = await questions.ask(
            self._network, request, DescribeConfigsResponse, timeout_ms, node_id
        )
        results = response.results
        raise_first(
            Outcome(f"broker {node_id}", each.error_code, each.error_message) for each in results
        )
        found = {entry.name: entry.value for each in results for entry in each.configs}
        listener = found.get(CONTROL_LISTENER)
        if not listener:
            raise UnsupportedByCluster(
                f"broker {node_id} has no control plane (no config {CONTROL_LISTENER}): segments "
                "and events can be read from minikafka only"
            )
        try:
            (address,) = parse_servers(listener)
        except ValueError as error:
            raise CannotConnect(f"the control plane of broker {node_id}: {error}") from error
        return address
