"""Why a question to a controller has no answer."""


class ControllerUnavailable(Exception):
    """Nobody leads, the connection to who does was lost, or no answer came in time."""


class WrongPeer(ControllerUnavailable):
    """Somebody answers who is not to be talked to, or will not talk to this node."""


class ForeignCluster(WrongPeer):
    """Who answers is a node of another cluster."""

    def __init__(self, cluster_id: str, who: str) -> None:
        super().__init__(f"{who} is of another cluster, {cluster_id!r}")
        self.cluster_id = cluster_id


class NoAnswerInTime(ControllerUnavailable):
    """There is a connection, or may be, and an answer may still be on its way."""
