"""Every message in every version against an independent codec, the package `kio`.

For one (API, version, request or response) and one message: our bytes are kio's bytes, kio reads
out of them what we wrote, and so do we. Messages come from our own declarations, so a field that
somebody adds is tested from that moment on; kio's declarations come from Kafka's schema files, so a
field that is declared wrongly here shows.

Messages are built by one of three hands: `Bare` leaves out what may be left out, `Full` sets every
field, and `Drawn` chooses by a random generator that hypothesis seeds (and names when it fails); to
let hypothesis draw each of the many small values itself takes ten times as long.
"""

import dataclasses
import io
import types
import typing
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.index import load_request_schema, load_response_schema
from kio.schema.errors import ErrorCode as KioErrorCode
from kio.serial import entity_reader, entity_writer

from minikafka.protocol.api import API_MODULES, request_class, response_class
from minikafka.protocol.codec import decode, encode
from minikafka.protocol.primitives import BYTES, RECORDS, STRING, ZERO_UUID, ProtocolError
from minikafka.protocol.schema import Array, schema_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MS = 2**41  # in the year 2039; kio goes through floats, which are not exact for ever
RANGES = {
    "b": (-(2**7), 2**7 - 1),
    "h": (-(2**15), 2**15 - 1),
    "H": (0, 2**16 - 1),
    "i": (-(2**31), 2**31 - 1),
    "I": (0, 2**32 - 1),
    "q": (-(2**63), 2**63 - 1),
}
ALPHABET = "ab./\0ß漢\N{CAT FACE}"
LONG = "grüße-" * 20 + "\N{CAT FACE}"
CODES = [int(code) for code in KioErrorCode]
KINDS = {"request": (request_class, load_request_schema)}
KINDS["response"] = (response_class, load_response_schema)


@dataclasses.dataclass(frozen=True)
class Case:
    """One version of one message, in our declaration and in kio's."""

    cls: type
    kio: type
    version: int

    def __str__(self):
        return f"{self.cls.__name__}-v{self.version}"


def cases():
    for key in sorted(API_MODULES):
        for ours, theirs in KINDS.values():
            cls = ours(key)
            versions = schema_of(cls).versions
            for version in range(versions.first, versions.last + 1):
                yield Case(cls, theirs(key, version), version)


CASES = list(cases())
FLEXIBLE = [case for case in CASES if case.version in schema_of(case.cls).flexible]
every_case = pytest.mark.parametrize("case", CASES, ids=str)


class Bare:
    """Nothing that can be missing is there: null, empty, no tags."""

    def null(self):
        return True

    def tag(self):
        return False

    def count(self):
        return 0

    def value(self, declaration, kafka_type):
        return declaration.type.zero


class Full:
    """Everything is there; `text` long enough makes lengths of two bytes."""

    def __init__(self, text):
        self.text = text

    def null(self):
        return False

    def tag(self):
        return True

    def count(self):
        return 2

    def value(self, declaration, kafka_type):
        if kafka_type == "error_code":
            return 74
        if declaration.type is STRING:
            return self.text
        if declaration.type in (BYTES, RECORDS):
            return self.text.encode()
        return {"?": True, "b": 5, "d": 0.5, "16s": bytes(range(16))}.get(
            declaration.type.format, 0x1234
        )


class Drawn:
    """Chance decides, and likes the ends of each range."""

    def __init__(self, random):
        self.random = random

    def null(self):
        return self.random.random() < 0.5

    def tag(self):
        return self.random.random() < 0.5

    def count(self):
        return self.random.choice((0, 1, 1, 2))

    def value(self, declaration, kafka_type):
        if kafka_type == "error_code":
            return self.random.choice(CODES)
        if kafka_type in ("datetime_i64", "timedelta_i64"):
            return self.random.choice((-1, 0, self.random.randint(0, LAST_MS)))
        if declaration.type is STRING:
            return "".join(self.random.choices(ALPHABET, k=self.random.choice((0, 1, 9, 150))))
        if declaration.type in (BYTES, RECORDS):
            return self.random.randbytes(self.random.choice((0, 1, 9, 200)))
        return self.fixed(declaration.type.format)

    def fixed(self, format):
        match format:
            case "?":
                return self.random.random() < 0.5
            case "d":
                return self.random.choice((0.0, -0.5, self.random.uniform(-1e300, 1e300)))
            case "16s":
                return self.random.choice((ZERO_UUID, self.random.randbytes(16)))
        low, high = RANGES[format]
        return self.random.choice((0, -1 if low else 1, low, high, self.random.randint(low, high)))


def build(cls, kio, version, hand):
    """A message (or structure) of our class, with the fields of this version set by `hand`."""
    fields = kio_fields(kio)
    chosen = {}
    for declaration in schema_of(cls).fields:
        if version not in declaration.versions:
            continue
        if declaration.tag is not None and not hand.tag():
            continue
        if version in declaration.nullable and hand.null():
            chosen[declaration.name] = None
        else:
            field = kio_field(fields, declaration.name)
            chosen[declaration.name] = one_value(declaration, field, version, hand)
    return cls(**chosen)


def one_value(declaration, field, version, hand):
    kafka_type = field.metadata.get("kafka_type")
    if isinstance(declaration.type, Array):
        element = dataclasses.replace(declaration, type=declaration.type.element)
        return [element_value(element, field, version, hand) for _ in range(hand.count())]
    if isinstance(declaration.type, type):
        return build(declaration.type, entity_of(field.type), version, hand)
    return hand.value(declaration, kafka_type)


def element_value(element, field, version, hand):
    if isinstance(element.type, type):
        return build(element.type, entity_of(field.type), version, hand)
    return hand.value(element, field.metadata.get("kafka_type"))


def kio_fields(kio):
    return {field.name: field for field in dataclasses.fields(kio)}


def kio_field(fields, name):
    """kio's field of this name; it drops the unit where it has a type for durations or dates."""
    return fields.get(name) or fields[name.removesuffix("_ms")]


def entity_of(annotation):
    """The entity class within `Entity`, `Entity | None` or `tuple[Entity, ...] | None`."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        annotation = next(a for a in typing.get_args(annotation) if a is not types.NoneType)
    arguments = typing.get_args(annotation)
    return arguments[0] if arguments else annotation


def to_kio(message, kio, version):
    """The same message as an entity of kio; a field of ours that kio lacks there is left out."""
    fields = kio_fields(kio)
    values = {}
    for declaration in schema_of(type(message)).fields:
        if version in declaration.versions:
            field = kio_field(fields, declaration.name)
            values[field.name] = kio_value(getattr(message, declaration.name), field, version)
    assert values.keys() == fields.keys()
    return kio(**values)


def kio_value(value, field, version):
    if isinstance(value, list):
        return tuple(kio_value(item, field, version) for item in value)
    if dataclasses.is_dataclass(value):
        return to_kio(value, entity_of(field.type), version)
    if value is None:
        return None
    match field.metadata.get("kafka_type"):
        case "uuid":
            return None if value == ZERO_UUID else uuid.UUID(bytes=value)
        case "timedelta_i32" | "timedelta_i64":
            return timedelta(milliseconds=value)
        case "datetime_i64":
            return None if value == -1 else EPOCH + timedelta(milliseconds=value)
        case "error_code":
            return KioErrorCode(value)
        case _:
            return value


def our_bytes(message, version):
    return b"".join(bytes(chunk) for chunk in encode(message, version))


def kio_bytes(entity):
    buffer = io.BytesIO()
    entity_writer(type(entity))(buffer, entity)
    return buffer.getvalue()


def check(case, message):
    entity = to_kio(message, case.kio, case.version)
    encoded = our_bytes(message, case.version)
    assert encoded == kio_bytes(entity)
    assert entity_reader(case.kio)(encoded, 0) == (entity, len(encoded))
    assert decode(case.cls, memoryview(encoded), case.version) == (message, len(encoded))


@every_case
def test_kio_agrees_on_a_message_with_nothing_set(case):
    check(case, build(case.cls, case.kio, case.version, Bare()))


@every_case
def test_kio_agrees_on_a_message_with_everything_set(case):
    check(case, build(case.cls, case.kio, case.version, Full(LONG)))


@every_case
@settings(max_examples=8, deadline=None, database=None)
@given(random=st.randoms(use_true_random=True))
def test_kio_agrees_on_random_messages(case, random):
    check(case, build(case.cls, case.kio, case.version, Drawn(random)))


@every_case
def test_kio_declares_the_same_key_tags_nulls_and_defaults(case):
    schema = schema_of(case.cls)
    assert (case.version in schema.flexible) == case.kio.__flexible__
    assert schema.key == case.kio.__api_key__
    check_declarations(case.cls, case.kio, case.version)


def check_declarations(cls, kio, version):
    fields = kio_fields(kio)
    for declaration in schema_of(cls).fields:
        if version not in declaration.versions:
            continue
        field = kio_field(fields, declaration.name)
        assert field.metadata.get("tag") == declaration.tag
        # kio reads a zero uuid and a timestamp of -1 as None: not nullable on the wire.
        if field.metadata.get("kafka_type") not in ("uuid", "datetime_i64"):
            assert (types.NoneType in typing.get_args(field.type)) == (
                version in declaration.nullable
            )
        if field.default is not dataclasses.MISSING:
            assert kio_value(declaration.fresh_default(), field, version) == field.default
        element = getattr(declaration.type, "element", declaration.type)
        if isinstance(element, type):
            check_declarations(element, entity_of(field.type), version)


@pytest.mark.parametrize("case", FLEXIBLE, ids=str)
def test_an_unknown_tagged_field_is_skipped(case):
    message = build(case.cls, case.kio, case.version, Bare())
    encoded = our_bytes(message, case.version)
    assert encoded.endswith(b"\0")
    extended = encoded[:-1] + b"\x02" + b"\x62\x03new" + b"\x63\x00"
    assert decode(case.cls, memoryview(extended), case.version) == (message, len(extended))


@every_case
def test_a_message_cut_anywhere_is_a_protocol_error(case):
    encoded = our_bytes(build(case.cls, case.kio, case.version, Full("ß")), case.version)
    for length in range(len(encoded)):
        with pytest.raises(ProtocolError):
            decode(case.cls, memoryview(encoded)[:length], case.version)


@every_case
def test_a_damaged_byte_gives_a_message_or_a_protocol_error(case):
    encoded = our_bytes(build(case.cls, case.kio, case.version, Full("ß")), case.version)
    positions = []
    for position in range(len(encoded)):
        for value in (0x00, 0x7F, 0x80, 0xFF):
            damaged = bytearray(encoded)
            damaged[position] = value
            try:
                decode(case.cls, memoryview(damaged), case.version)
            except ProtocolError as error:
                positions.append(error.position)
    assert None not in positions
