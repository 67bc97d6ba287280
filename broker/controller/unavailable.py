"""The one thing that can go wrong when the active controller is asked, beside its refusal."""


class ControllerUnavailable(Exception):
    """Nobody leads, the connection to who does was lost, or no answer came in time."""
