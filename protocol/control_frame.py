"""A frame of the control plane: four bytes of size, and one map in msgpack.

    |size, 4 bytes, big-endian|one msgpack map                                                  |
                              |{"type": "DescribeSegments", "cluster_id": "…", "topic": "orders"|
                              | "partition": 0, "from_offset": 0, "max_segments": 1000}         |

A connection carries questions one way and answers the other, in the order of the questions. `type`
names a class of `control`, and its fields are the rest of the map: texts, bytes, numbers, truth
values, None where it may be, messages in their turn as maps (a NamedTuple as a list), and lists of
those. Each frame carries the cluster's id, so that a node which was moved to another cluster is not
taken for what it was; in a cluster that is being made it is empty.

Invariants: hostile bytes raise ProtocolError and nothing else. A frame has 1,000 elements in a list
or map and 65,536 in all. So it costs four times its bytes (as text may), 16 MiB for the elements,
and 8 MiB for lists within lists that lie about their length. A field that is not known is skipped,
one that is missing or of another type is an error.
"""

import functools
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from struct import Struct
from types import NoneType
from typing import Any, Final, TypeAlias, cast, get_args, get_origin

import msgpack

from .primitives import ProtocolError

CONTROL_LISTENER: Final = "minikafka.control.listener"
"""The config of a broker in which clients find the HOST:PORT of its control plane."""
MAX_REQUEST_BYTES: Final = 64 << 10
"""Of a question, from somebody who may be anybody."""
MAX_NODE_REQUEST_BYTES: Final = 2 << 20
"""Of a question, from another node of the cluster."""
MAX_ANSWER_BYTES: Final = 2 << 20
MAX_ELEMENTS: Final = 1000
"""In one list or map of a frame: segments, events, replicas of a partition."""
MAX_ALL_ELEMENTS: Final = 1 << 16
"""In all lists and maps of a frame together, themselves included."""
SIZE: Final = Struct(">I")  # the frame's size, not counting itself

Known: TypeAlias = Mapping[str, type[Any]]
"""Messages by their names."""

_LARGEST: Final = 2**63 - 1
_LONGEST_SHOWN: Final = 80


class UnknownMessage(ProtocolError):
    """A sound frame whose `type` is none of those expected: perhaps of a later version."""


def encode(message: object, cluster_id: str) -> bytes:
    """The frame of a message, its size included."""
    envelope = {"type": type(message).__name__, "cluster_id": cluster_id, **_as_map(message)}
    payload = cast(bytes, cast(Any, msgpack).packb(envelope, default=_as_map))
    return SIZE.pack(len(payload)) + payload


def payload_size(head: bytes, max_bytes: int) -> int:
    """How many bytes follow the first four of a frame; ProtocolError if those are too many."""
    (size,) = SIZE.unpack(head)
    if size > max_bytes:
        raise ProtocolError(f"a frame of {size} bytes, {max_bytes} at most")
    return size


def decode(payload: bytes, known: Known) -> tuple[str, Any]:
    """The cluster id and the message in a frame, one of `known`; raises ProtocolError."""
    count = _Count()
    try:
        # The C decoder would make room for as many elements as a list claims to have.
        unpacked: object = cast(Any, msgpack).unpackb(
            payload,
            max_array_len=MAX_ELEMENTS,
            max_map_len=MAX_ELEMENTS,
            list_hook=count,
            object_hook=count,
        )
    except ValueError as error:
        reason = str(error) or type(error).__name__
        raise ProtocolError(f"a frame that is no msgpack: {reason[:_LONGEST_SHOWN]}") from error
    envelope = _map_of("a frame", unpacked)
    cluster_id = _field(str, envelope, "cluster_id")
    name = _field(str, envelope, "type")
    if name not in known:
        raise UnknownMessage(f"no message {name[:_LONGEST_SHOWN]!r} is known here")
    return cluster_id, _build(known[name], envelope)


class _Count:
    """Takes each list and map when it is complete, and complains when they become too many."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_ALL_ELEMENTS

    def __call__(self, found: Any) -> Any:
        self._left -= 1 + len(found)
        if self._left < 0:
            raise ProtocolError(f"a frame with more than {MAX_ALL_ELEMENTS} elements")
        return found


def _as_map(message: object) -> dict[str, Any]:
    return {name: getattr(message, name) for name, _ in _fields(type(message))}


def _build(message_class: type[Any], values: object) -> Any:
    """A message of this class out of a map."""
    known = _map_of(message_class.__name__, values)
    return message_class(
        *(_field(field_type, known, name) for name, field_type in _fields(message_class))
    )


def _field(field_type: Any, values: Mapping[str, object], name: str) -> Any:
    """A field's value, which must be there."""
    if name not in values:
        raise ProtocolError(f"{name} is missing")
    return _value(field_type, values[name], name)


def _value(field_type: Any, value: object, name: str) -> Any:
    """A value, which must be of this type; `name` is the field in which it was found."""
    if field_type is Any or (field_type in (str, bool, bytes) and isinstance(value, field_type)):
        return value
    if field_type is int and type(value) is int and abs(value) <= _LARGEST:
        return value
    if field_type == dict[str, Any]:
        return _map_of(name, value)
    if is_dataclass(field_type):
        return _build(cast(type[Any], field_type), value)
    parts = get_args(field_type)
    if NoneType in parts:  # X | None
        return None if value is None else _value(parts[0], value, name)
    if isinstance(value, list):
        items = cast(list[object], value)
        if get_origin(field_type) is tuple:
            return tuple(_value(parts[0], item, name) for item in items)
        types = getattr(field_type, "__annotations__", {})  # of a NamedTuple
        if types and len(types) == len(items):
            return field_type(*map(_value, types.values(), items, types))
    kind = type(cast(object, value)).__name__
    raise ProtocolError(f"{name} is a {kind} that will not do")


def _map_of(what: str, value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        found = cast(dict[object, Any], value)
        if all(isinstance(key, str) for key in found):
            return cast(dict[str, Any], found)
    raise ProtocolError(f"{what} is no map of names to values")


@functools.cache
def _fields(message_class: type[Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.type) for field in fields(message_class))
