"""The errors that the client itself finds, beside those that a broker answers (protocol/errors).

    KafkaTimeout           something was not done in its time; the sentence names what and where
    CannotConnect          no broker can be reached
    UnsupportedByCluster   this cluster has no such ability
    ClientNotRunning       used before start() or after close()
    NoOffset               a partition has no position, and `auto_offset_reset` is "none"

All are KafkaError, so that one `except` catches everything which Kafka can do to a program. The
sentence says what to do about it.
"""

from ..protocol.errors import ErrorCode, KafkaError
from ..transport.connection import CannotConnect, KafkaTimeout, UnsupportedByCluster

__all__ = [
    "CannotConnect",
    "ClientNotRunning",
    "KafkaError",
    "KafkaTimeout",
    "NoOffset",
    "UnsupportedByCluster",
]


class ClientNotRunning(KafkaError):
    """The client was used before start() or after close(); `async with` does both."""

    code = ErrorCode.INVALID_REQUEST


class NoOffset(KafkaError):
    """Nothing says where to read: the offset is out of range and auto_offset_reset is "none"."""

    code = ErrorCode.OFFSET_OUT_OF_RANGE
