"""What answers of the control plane come from."""

from dataclasses import dataclass

from ..controller.service import Controller
from ..replica.manager import ReplicaManager


@dataclass(frozen=True, slots=True)
class ControlContext:
    """The parts of a node that its control plane may look at."""

    controller: Controller
    replicas: ReplicaManager

    @property
    def cluster_id(self) -> str:
        """The id that every frame must carry."""
        return self.controller.image.cluster_id
