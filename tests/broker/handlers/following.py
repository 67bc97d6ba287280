"""A node that is not the active controller: the one that is, is another node of the test.

    async with serving(tmp_path / "a") as leader, serving(tmp_path / "b") as node:
        link = follow(node, leader)

Both are real and alone; between them stands `Link`, in place of the control plane.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from minikafka.broker.controller.decide import Decision
from minikafka.broker.controller.image import Image
from minikafka.broker.controller.service import ControllerUnavailable
from minikafka.broker.handlers.forwarding import answer_forwarded
from minikafka.protocol.control import Forward
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode


class Link:
    """What a node knows of the controller, when another node is the active one."""

    is_active = False
    has_leader = True

    def __init__(self, image: Image, leader: ServedNode | None) -> None:
        self.image = image
        self.leader = leader
        self.random = Random(1)
        self.committed_offset = 0
        self.lost = 0
        """So many of the next questions get no answer."""
        self.questions: list[Any] = []
        self.awaited: list[int] = []

    async def ask(self, question: Any, timeout_ms: int) -> Any:
        assert timeout_ms > 0
        self.questions.append(question)
        if self.leader is None or self.lost:
            self.lost -= 1
            raise ControllerUnavailable
        context = self.leader.node._server.context
        if isinstance(question, Forward):
            return await answer_forwarded(question, context)
        return await context.controller.ask(question, timeout_ms)

    async def wait_until_applied(self, offset: int) -> None:
        self.awaited.append(offset)

    def quorum_state(self) -> None:
        return None

    async def submit(self, command: Callable[[Image], Decision]) -> Decision:
        del command
        return Decision([], ErrorCode.NOT_CONTROLLER)


def follow(node: ServedNode, leader: ServedNode | None) -> Link:
    """Let this node's handlers know of no controller but the other node, or of none."""
    server = node.node._server
    link = Link(server.context.controller.image, leader)
    server.context = replace(server.context, controller=link)
    return link
