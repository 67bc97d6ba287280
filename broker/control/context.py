"""What answers of the control plane come from."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..controller.service import Controller
from ..replica.manager import ReplicaManager

if TYPE_CHECKING:
    from ..controller.greeting import ClusterSecret


@dataclass(frozen=True, slots=True)
class ControlContext:
    """The parts of a node that its control plane may look at."""

    controller: Controller
    replicas: ReplicaManager
    secret: "ClusterSecret | None" = None
    """What nodes have to prove to know; None where anybody may speak as a node."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Whose question is answered now."""

    @property
    def cluster_id(self) -> str:
        """The id that every frame must carry."""
        return self.controller.cluster_id
