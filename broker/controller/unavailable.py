"""What can go wrong when the active controller is asked, beside its refusal."""


class ControllerUnavailable(Exception):
    """Nobody leads, the connection to who does was lost, or no answer came in time."""


class NoAnswerInTime(ControllerUnavailable):
    """There is a connection, or may be, and an answer may still be on its way."""
