"""From a message's declaration to the Python source of its encoder and decoder.

One function each per (message, version), nested structures inlined as loops and neighbouring
fixed-size fields fused into one `struct` call, e.g. for a request of two integers and a string:

    def encode(message, append):
        append(pack_int32_int32(message.generation_id, message.session_timeout_ms))
        append(encode_string(message.member_id))

    def decode(view, position):
        generation_id_2, session_timeout_ms_3 = unpack_int32_int32(view, position)
        position += 8
        member_id_4, position = decode_string(view, position)
        return HeartbeatRequest(generation_id_2, session_timeout_ms_3, member_id_4), position

The source is the fastest form that is still readable: no interpretation of the schema remains
at run time. It is compiled on first use, because start-up is imports.

Decoders carry two bounds along (see `primitives`): `budget`, which arrays and tagged fields spend,
and `limit`, the position that the message may not pass, moved on by what bytes and records take.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from struct import Struct
from typing import Any

from . import primitives
from .primitives import BYTES, STRING, Fixed, Variable
from .schema import Array, FieldDeclaration, FieldType, Schema, Versions, schema_of

_NEVER = Versions.parse("none")


@dataclass(frozen=True, slots=True)
class Generated:
    """Source text of `encode` and `decode`, and the names it uses."""

    text: str
    names: dict[str, Any]


def generate(cls: type, version: int) -> Generated:
    """Write the encoder and decoder of one version of a message."""
    names = {name: value for name, value in vars(primitives).items() if name.islower()}
    names |= {"ProtocolError": primitives.ProtocolError, "cannot_carry": cannot_carry}
    names |= {"max_cost": primitives.MAX_COST, "max_plain_bytes": primitives.MAX_PLAIN_BYTES}
    encoder = _Encoder(schema_of(cls), version, names)
    encoder.function(cls)
    decoder = _Decoder(schema_of(cls), version, names)
    decoder.function(cls)
    return Generated("\n".join([*encoder.lines, "", *decoder.lines, ""]), names)


def cannot_carry(message: str, field: str, version: int) -> ValueError:
    """The error for a value in a field that this version does not have."""
    return ValueError(f"{message} v{version} cannot carry {field}")


class _Source:
    """Lines of source being written, with the fields of one version in view."""

    def __init__(self, schema: Schema, version: int, names: dict[str, Any]) -> None:
        self.message = schema.name
        self.version = version
        self.flexible = version in schema.flexible
        self.compact = "compact_" if self.flexible else ""
        self.names = names
        self.lines: list[str] = []
        self.depth = 0
        self.unique = 0

    def add(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def block(self, head: str, body: Callable[[], object]) -> None:
        self.add(head)
        self.depth += 1
        body()
        self.depth -= 1

    def fresh(self, name: str) -> str:
        self.unique += 1
        return f"{name}_{self.unique}"

    def constant(self, name: str, value: Any) -> str:
        """A name under which the source finds `value`."""
        if self.names.setdefault(name, value) is not value:
            name = self.fresh(name)
            self.names[name] = value
        return name

    def struct(self, fields: list[FieldDeclaration]) -> tuple[str, str, int]:
        """(pack, unpack, size) for neighbouring fixed-size fields."""
        types = [field.type for field in fields if isinstance(field.type, Fixed)]
        struct = Struct(">" + "".join(type.format for type in types))
        name = "_".join(type.name for type in types)
        self.names[f"pack_{name}"] = struct.pack
        self.names[f"unpack_{name}"] = struct.unpack_from
        return f"pack_{name}", f"unpack_{name}", struct.size

    def plain_fields(self, schema: Schema) -> list[FieldDeclaration]:
        """The fields of this version that are not tagged, in order."""
        return [f for f in schema.fields if self.version in f.versions and not self.tagged(f)]

    def tagged(self, field: FieldDeclaration) -> bool:
        return field.tag is not None and self.flexible

    def tagged_fields(self, schema: Schema) -> list[FieldDeclaration]:
        present = [f for f in schema.fields if self.version in f.versions and self.tagged(f)]
        return sorted(present, key=lambda field: field.tag or 0)

    def runs(self, fields: list[FieldDeclaration]) -> Iterator[list[FieldDeclaration]]:
        """Runs of fixed-size fields together, every other field alone."""
        for fixed, run in groupby(fields, key=lambda f: isinstance(f.type, Fixed)):
            if fixed:
                yield list(run)
            else:
                yield from ([field] for field in run)

    def nullable(self, field: FieldDeclaration) -> str:
        return "nullable_" if self.version in field.nullable else ""


class _Encoder(_Source):
    """Writes `encode(message, append)`."""

    def function(self, cls: type) -> None:
        self.block("def encode(message, append):", lambda: self.structure(cls, "message", "append"))

    def structure(self, cls: type, value: str, append: str) -> None:
        schema = schema_of(cls)
        for field in schema.fields:
            if self.version not in field.versions and not field.ignorable:
                self.refuse(field, value)
        for run in self.runs(self.plain_fields(schema)):
            if isinstance(run[0].type, Fixed):
                pack, _, _ = self.struct(run)
                arguments = ", ".join(f"{value}.{field.name}" for field in run)
                self.add(f"{append}({pack}({arguments}))")
            else:
                self.field(run[0], f"{value}.{run[0].name}", append)
        if self.flexible:
            self.tags(schema, value, append)
        elif not self.lines[-1].startswith("    " * self.depth):
            self.add("pass")

    def refuse(self, field: FieldDeclaration, value: str) -> None:
        error = f"cannot_carry({self.message!r}, {field.name!r}, {self.version})"
        default = self.default_test(field, f"{value}.{field.name}")
        self.block(f"if {default}:", lambda: self.add(f"raise {error}"))

    def default_test(self, field: FieldDeclaration, value: str) -> str:
        """Source that is true when `value` differs from the field's default."""
        if isinstance(field.type, Array) and field.default is not None:
            return value
        default = field.fresh_default()
        if default is None:
            return f"{value} is not None"
        if isinstance(field.type, type):
            shared = self.constant(f"default_{field.type.__name__}", default)
            return f"{value} is not {shared} and {value} != {shared}"
        return f"{value} != {default!r}"

    def field(self, field: FieldDeclaration, value: str, append: str) -> None:
        match field.type:
            case Fixed():
                pack, _, _ = self.struct([field])
                self.add(f"{append}({pack}({value}))")
            case Variable() if field.type is STRING:
                self.add(f"{append}(encode_{self.compact}{self.nullable(field)}string({value}))")
            case Variable():
                self.bytes(field, value, append)
            case Array():
                self.array(field, field.type.element, value, append)
            case _:
                self.nested(field, field.type, value, append)

    def bytes(self, field: FieldDeclaration, value: str, append: str) -> None:
        name = self.fresh(field.name)
        self.add(f"{name} = {value}")
        self.add(f"{append}({self.compact}{self.nullable(field)}bytes_length({name}))")
        self.block(f"if {name}:", lambda: self.add(f"{append}({name})"))

    def array(self, field: FieldDeclaration, element: FieldType, value: str, append: str) -> None:
        name = self.fresh(field.name)
        self.add(f"{name} = {value}")
        self.add(f"{append}({self.compact}{self.nullable(field)}bytes_length({name}))")
        item = self.fresh("item")
        items = f"{name} or ()" if self.nullable(field) else name

        def body() -> None:
            if isinstance(element, type):
                self.structure(element, item, append)
            else:
                self.field(_element_of(field, element), item, append)

        self.block(f"for {item} in {items}:", body)

    def nested(self, field: FieldDeclaration, cls: type, value: str, append: str) -> None:
        name = self.fresh(field.name)
        self.add(f"{name} = {value}")
        if not self.nullable(field):
            self.structure(cls, name, append)
            return

        def present() -> None:
            self.add(f"{append}(b'\\x01')")
            self.structure(cls, name, append)

        self.block(f"if {name} is None:", lambda: self.add(f"{append}(b'\\xff')"))
        self.block("else:", present)

    def tags(self, schema: Schema, value: str, append: str) -> None:
        fields = self.tagged_fields(schema)
        if not fields:
            self.add(f"{append}(b'\\0')")
            return
        tags = self.fresh("tags")
        self.add(f"{tags} = []")
        for field in fields:
            chunks = self.fresh("chunks")

            def body(field: FieldDeclaration = field, chunks: str = chunks) -> None:
                self.add(f"{chunks} = []")
                self.field(field, f"{value}.{field.name}", f"{chunks}.append")
                self.add(f"{tags}.append(({field.tag}, {chunks}))")

            self.block(f"if {self.default_test(field, f'{value}.{field.name}')}:", body)
        self.add(f"encode_tags({tags}, {append})")


class _Decoder(_Source):
    """Writes `decode(view, position)`."""

    def function(self, cls: type) -> None:
        self.depth += 1
        self.add(f"return {self.structure(cls)}, position")
        self.depth -= 1
        body, self.lines = self.lines, []
        self.add("def decode(view, position):")
        for name, start in (("budget", "max_cost"), ("limit", "position + max_plain_bytes")):
            if any(name in line for line in body):
                self.add(f"    {name} = {start}")
        self.lines += body

    def structure(self, cls: type) -> str:
        """Read the fields into names; return the source that builds the object of them."""
        schema = schema_of(cls)
        names: dict[str, str] = {}
        for run in self.runs(self.plain_fields(schema)):
            for field in run:
                names[field.name] = self.fresh(field.name)
            if isinstance(run[0].type, Fixed):
                _, unpack, size = self.struct(run)
                targets = ", ".join(names[field.name] for field in run)
                targets = targets if len(run) > 1 else f"({targets},)"
                self.add(f"{targets} = {unpack}(view, position)")
                self.add(f"position += {size}")
            else:
                self.field(run[0], names[run[0].name])
        if self.flexible:
            self.tags(schema, names)
        arguments = [names.get(field.name) or self.default(field) for field in schema.fields]
        return f"{self.constant(cls.__name__, cls)}({', '.join(arguments)})"

    def default(self, field: FieldDeclaration) -> str:
        if isinstance(field.type, Array) and field.default is not None:
            return "[]"
        if isinstance(field.type, type) and field.default is not None:
            return self.constant(f"default_{field.type.__name__}", field.fresh_default())
        return repr(field.fresh_default())

    def field(self, field: FieldDeclaration, name: str) -> None:
        match field.type:
            case Fixed():
                _, unpack, size = self.struct([field])
                self.add(f"({name},) = {unpack}(view, position)")
                self.add(f"position += {size}")
            case Variable() if field.type is STRING:
                function = f"decode_{self.compact}{self.nullable(field)}string"
                self.add(f"{name}, position = {function}(view, position)")
            case Variable():
                self.bytes(field, name)
            case Array():
                self.array(field, field.type.element, name)
            case _:
                self.nested(field, field.type, name)

    def bytes(self, field: FieldDeclaration, name: str) -> None:
        length = self.fresh("length")
        self.add(f"{length}, position = decode_{self.compact}length(view, position)")

        def null() -> None:
            if self.nullable(field):
                self.add(f"{name} = None")
            else:
                self.add("raise ProtocolError('null where bytes are required', position)")

        def present() -> None:
            taken = f"slice_bytes(view, position, {length})"
            self.add(f"{name} = {f'bytes({taken})' if field.type is BYTES else taken}")
            self.add(f"position += {length}")
            self.add(f"limit += {length}")

        self.block(f"if {length} < 0:", null)
        self.block("else:", present)

    def array(self, field: FieldDeclaration, element: FieldType, name: str) -> None:
        count = self.fresh("count")
        self.add(f"{count}, position = decode_{self.compact}length(view, position)")
        if self.nullable(field):
            self.block(f"if {count} < 0:", lambda: self.add(f"{name} = None"))
            self.block("else:", lambda: self.elements(field, element, name, count))
        else:
            null = "raise ProtocolError('null where an array is required', position)"
            self.block(f"if {count} < 0:", lambda: self.add(null))
            self.elements(field, element, name, count)

    def elements(self, field: FieldDeclaration, element: FieldType, name: str, count: str) -> None:
        one = _element_of(field, element)
        cost, least = self.cost(one), self.least_bytes(one)
        self.add(f"budget = spend(budget, {count}, {cost}, view, position, {least})")
        self.add(f"{name} = []")

        def body() -> None:
            if not isinstance(element, Fixed):
                self.block("if position > limit:", lambda: self.add("raise too_long(position)"))
            if isinstance(element, type):
                self.add(f"{name}.append({self.structure(element)})")
            else:
                item = self.fresh("item")
                self.field(_element_of(field, element), item)
                self.add(f"{name}.append({item})")

        self.block(f"for _ in range({count}):", body)

    def nested(self, field: FieldDeclaration, cls: type, name: str) -> None:
        if not self.nullable(field):
            self.add(f"{name} = {self.structure(cls)}")
            return
        present = self.fresh("present")
        _, unpack, _ = self.struct([_element_of(field, primitives.INT8)])
        self.add(f"({present},) = {unpack}(view, position)")
        self.add("position += 1")
        self.block(f"if {present} < 0:", lambda: self.add(f"{name} = None"))
        self.block("else:", lambda: self.add(f"{name} = {self.structure(cls)}"))

    def tags(self, schema: Schema, names: dict[str, str]) -> None:
        fields = self.tagged_fields(schema)
        if not fields:
            self.block(
                "if view[position]:",
                lambda: self.add("position, budget = skip_tags(view, position, budget)"),
            )
            self.block("else:", lambda: self.add("position += 1"))
            return
        for field in fields:
            names[field.name] = self.fresh(field.name)
            self.add(f"{names[field.name]} = {self.default(field)}")
        count, tag, end = self.fresh("count"), self.fresh("tag"), self.fresh("end")
        self.add(f"{count}, position, budget = decode_tag_count(view, position, budget)")
        self.add(f"{tag} = -1")

        def one_tag() -> None:
            self.add(f"{tag}, position, {end} = decode_tag(view, position, {tag})")
            for field in fields:
                self.block(f"if {tag} == {field.tag}:", lambda f=field: content(f))
            self.add(f"position = {end}")

        def content(field: FieldDeclaration) -> None:
            self.field(field, names[field.name])
            wrong = (
                f"raise ProtocolError('tag {field.tag} has another size than it says', position)"
            )
            self.block(f"if position != {end}:", lambda: self.add(wrong))

        self.block(f"for _ in range({count}):", one_tag)

    def cost(self, field: FieldDeclaration) -> int:
        """What a value of this field takes from the budget, tagged fields and arrays aside."""
        match field.type:
            case Fixed():
                return primitives.COST_OF_NUMBER
            case Variable() | Array():
                return primitives.COST_OF_LENGTH
            case _:
                present = self.plain_fields(schema_of(field.type))
                return primitives.COST_OF_STRUCTURE + sum(map(self.cost, present))

    def least_bytes(self, field: FieldDeclaration) -> int:
        """The fewest bytes that a value of this field takes on the wire, 1 at least."""
        match field.type:
            case Fixed():
                return field.type.size_bytes
            case Variable() if field.type is STRING:
                return 1 if self.flexible else 2
            case Variable() | Array():
                return 1 if self.flexible else 4
            case _:
                if self.nullable(field):
                    return 1
                present = self.plain_fields(schema_of(field.type))
                tags = 1 if self.flexible else 0
                return max(1, sum(map(self.least_bytes, present)) + tags)


def _element_of(field: FieldDeclaration, element: FieldType) -> FieldDeclaration:
    """The declaration of one element of an array field: as the field, but never null."""
    return FieldDeclaration(
        field.name, element, field.versions, _NEVER, None, None, field.ignorable
    )
