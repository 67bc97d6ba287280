"""What a message's declaration says: its fields, and the versions that carry each.

    "3+"  from version 3 on      "3-5"  a range      "2"  that one alone      "none"  never

`codec` makes these out of a class and its `field()` calls; `compiler` reads them to write source.
"""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from .primitives import Buffer, Fixed, Variable

Encoder = Callable[[Any, Callable[[Buffer], None]], None]
Decoder = Callable[[memoryview, int], tuple[Any, int]]
ZERO: Any = object()
"""The default "zero of the type", said aloud: whoever builds the message may leave it out."""
_LAST_VERSION = 32767


@dataclass(frozen=True, slots=True)
class Versions:
    """A range of versions, both ends included; empty when `first > last`."""

    first: int
    last: int

    @staticmethod
    def parse(notation: str) -> "Versions":
        """From "0+", "3-5", "2" or "none"."""
        if notation == "none":
            return Versions(0, -1)
        if notation.endswith("+"):
            return Versions(int(notation[:-1]), _LAST_VERSION)
        first, _, last = notation.partition("-")
        return Versions(int(first), int(last or first))

    def __contains__(self, version: int) -> bool:
        return self.first <= version <= self.last


@dataclass(frozen=True, slots=True)
class Array:
    """An array of a primitive or of a structure."""

    element: "FieldType"


FieldType = Fixed | Variable | Array | type


@dataclass(frozen=True, slots=True)
class FieldDeclaration:
    """What `field()` was told, plus the name it was given to."""

    name: str
    type: FieldType
    versions: Versions
    nullable: Versions
    default: Any
    tag: int | None
    ignorable: bool

    def fresh_default(self) -> Any:
        """The default: a new list for an array, the shared instance for a structure."""
        return _zero(self.type) if self.default is ZERO else self.default


@dataclass(slots=True)
class Schema:
    """A message's or structure's fields; for a message also its key, versions and compiled code."""

    name: str
    fields: tuple[FieldDeclaration, ...]
    key: int = -1
    versions: Versions = Versions(0, -1)
    flexible: Versions = Versions(0, -1)
    encoders: dict[int, Encoder] = dataclasses.field(default_factory=dict[int, Encoder])
    decoders: dict[int, Decoder] = dataclasses.field(default_factory=dict[int, Decoder])


def schema_of(cls: type) -> Schema:
    """The declaration behind a message class or structure class."""
    return cast(Schema, vars(cls)["__kafka__"])


def _zero(type: FieldType) -> Any:
    match type:
        case Fixed() | Variable():
            return type.zero
        case Array():
            return []
        case _:
            return _shared_default(type)


@functools.cache
def _shared_default(structure: type) -> Any:
    return structure()
