"""Declarative messages: a dataclass whose fields carry Kafka's own version notation.

    @message(key=12, versions="0-4", flexible="4+")
    class HeartbeatRequest:
        group_id: str                 = field(STRING)
        generation_id: int            = field(INT32)
        member_id: str                = field(STRING)
        group_instance_id: str | None = field(STRING, "3+", nullable="3+", default=None)

One class serves all versions. A field that a version lacks decodes to its default; encoding a
value that a version cannot carry raises, unless the field is `ignorable`. Encoders and decoders
are compiled on first use, one of each per (message, version), by `compiler`; `source()` prints
them. `schema` has the meaning of "3+" and what is kept of a declaration.

Left out: `about` texts, entity types and map keys of Kafka's schema files: they have no bytes.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from struct import error as struct_error
from typing import Any, TypeVar, cast, dataclass_transform

from .primitives import Buffer, Fixed, ProtocolError, Variable
from .schema import (
    ZERO,
    Array,
    Decoder,
    Encoder,
    FieldDeclaration,
    FieldType,
    Schema,
    Versions,
    schema_of,
)

T = TypeVar("T")


def array(element: FieldType) -> Array:
    """The type "array of `element`"."""
    return Array(element)


def field(
    type: FieldType,
    versions: str = "0+",
    *,
    nullable: str = "none",
    default: Any = ZERO,
    tag: int | None = None,
    ignorable: bool = False,
) -> Any:
    """Declare a field: its wire type and the versions that carry it, nullable or tagged.

    `default` is what an absent field decodes to (the zero of its type unless given); to the type
    checker, a field without one must be given. A `tag` makes it a tagged field, omitted while it
    has its default; `ignorable` drops it silently in versions that lack it.

    A structure that is a default is one object for all messages: assign another, never change it.
    """
    declaration = FieldDeclaration(
        "", type, Versions.parse(versions), Versions.parse(nullable), default, tag, ignorable
    )
    metadata = {"kafka": declaration}
    if default is ZERO and isinstance(type, Array):
        return dataclasses.field(default_factory=list[Any], metadata=metadata)
    return dataclasses.field(default=declaration.fresh_default(), metadata=metadata)


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def struct(cls: type[T]) -> type[T]:
    """A structure inside messages; its fields' versions are those of the message around it."""
    return _declare(cls, lambda name, fields: Schema(name, fields))


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def message(*, key: int, versions: str, flexible: str) -> Callable[[type[T]], type[T]]:
    """A request or response: API key, versions served, first flexible version (KIP-482)."""

    def schema(name: str, fields: tuple[FieldDeclaration, ...]) -> Schema:
        return Schema(name, fields, key, Versions.parse(versions), Versions.parse(flexible))

    return lambda cls: _declare(cls, schema)


def encode(message: object, version: int) -> list[Buffer]:
    """The message's bytes as chunks in order; record batches are passed by reference.

    Raises ValueError for a value that this version cannot carry.
    """
    chunks: list[Buffer] = []
    encoder = encoder_of(type(message), version)
    try:
        encoder(message, chunks.append)
    except (struct_error, AttributeError, TypeError) as error:
        # A number out of range, a null where there is none, or a value of another type.
        name = type(message).__name__
        raise ValueError(f"{name} v{version} cannot carry its values: {error}") from error
    return chunks


def decode(cls: type[T], view: memoryview, version: int, position: int = 0) -> tuple[T, int]:
    """The message at `position` and the position behind it; raises ProtocolError."""
    try:
        return decoder_of(cls, version)(view, position)
    except (struct_error, IndexError) as error:
        raise ProtocolError(f"{cls.__name__} v{version} is cut short", len(view)) from error


def encoder_of(cls: type, version: int) -> Encoder:
    """The compiled encoder `(message, append)` of this version."""
    schema = schema_of(cls)
    encoder = schema.encoders.get(version)
    return encoder if encoder is not None else _compile(cls, version)[0]


def decoder_of(cls: type, version: int) -> Decoder:
    """The compiled decoder `(view, position) -> (message, position)` of this version."""
    schema = schema_of(cls)
    decoder = schema.decoders.get(version)
    return decoder if decoder is not None else _compile(cls, version)[1]


def source(cls: type, version: int) -> str:
    """The generated Python of this message's encoder and decoder, to be read."""
    from .compiler import generate

    return generate(cls, version).text


def _compile(cls: type, version: int) -> tuple[Encoder, Decoder]:
    from .compiler import generate

    schema = schema_of(cls)
    if version not in schema.versions:
        raise ValueError(f"{schema.name} has no version {version}")
    generated = generate(cls, version)
    namespace = dict(generated.names)
    # The text is ours: names come from the declarations, and none from the network.
    exec(compile(generated.text, f"<{schema.name} v{version}>", "exec"), namespace)  # noqa: S102
    encoder, decoder = namespace["encode"], namespace["decode"]
    schema.encoders[version], schema.decoders[version] = encoder, decoder
    return encoder, decoder


def _declare(cls: type[T], make: Callable[[str, tuple[FieldDeclaration, ...]], Schema]) -> type[T]:
    # Compared by value, hashed by identity: dataclasses take defaults only if they have a hash.
    setattr(cls, "__hash__", object.__hash__)  # noqa: B010
    declared = dataclass(slots=True)(cls)
    fields = tuple(
        dataclasses.replace(
            each.metadata["kafka"],
            name=each.name,
            default=_constant_default(each.metadata["kafka"]),
        )
        for each in dataclasses.fields(cast(Any, declared))
    )
    setattr(declared, "__kafka__", make(cls.__name__, fields))  # noqa: B010
    return declared


def _constant_default(declaration: FieldDeclaration) -> Any:
    """The default to compare with and to inline; arrays and structures stay `ZERO`."""
    mutable = not isinstance(declaration.type, Fixed | Variable)
    return ZERO if declaration.default is ZERO and mutable else declaration.fresh_default()
