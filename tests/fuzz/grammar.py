"""Messages from their declarations, with a hand that decides every value and may lie.

The writer knows the layout that `compiler` reads, but shares no code with it: counts, lengths and
tags are written as the hand says, not as they are. Two hands: `Whim` takes its decisions from
bytes, and `Greedy` wants the message that costs its reader the most for its size.
"""

from collections.abc import Callable
from typing import Protocol

from minikafka.protocol.primitives import MAX_TAGS, STRING, Fixed, Variable
from minikafka.protocol.schema import Array, FieldDeclaration, FieldType, schema_of

from .choices import Choices

Element = Callable[[], bytes]
Tag = tuple[int, bytes]

NULL_STRUCTURE = b"\xff"
PRESENT_STRUCTURE = b"\x01"
_MANY = 300
_LIES = (-1, -2, 0, 1, 64, 65, 0x7FFF, 0x8000, 100_000, 100_001, 0x7FFFFFFF, -0x80000000)
_TEXTS = (b"", b"orders", b"a.b", "ß漢".encode(), "\N{CAT FACE}".encode(), b"\xff", b"\xed\xa0\x80")


class Hand(Protocol):
    """Decides what a message holds."""

    def is_null(self) -> bool:
        """Whether a field that may be null is."""
        ...

    def fixed(self, type: Fixed) -> bytes:
        """The bytes of a type of constant size."""
        ...

    def content(self, type: Variable) -> bytes:
        """The bytes of a string, or of bytes or records."""
        ...

    def array(self, element: Element) -> tuple[int, bytes]:
        """How many elements there are, and their bytes."""
        ...

    def tags(self, known: dict[int, Element]) -> list[Tag]:
        """The tagged fields of a structure, of which these are declared."""
        ...

    def claim(self, count: int) -> int:
        """What is said in place of this count or length."""
        ...


class Writer:
    """Writes one version of a message."""

    def __init__(self, cls: type, version: int, hand: Hand) -> None:
        self._cls = cls
        self._version = version
        self._is_flexible = version in schema_of(cls).flexible
        self._hand = hand

    def message(self) -> bytes:
        """The bytes of the message, without a header."""
        return self._structure(self._cls)

    def _structure(self, cls: type) -> bytes:
        fields = [each for each in schema_of(cls).fields if self._version in each.versions]
        tagged = [each for each in fields if self._is_flexible and each.tag is not None]
        parts = [self._field(each, each.type) for each in fields if each not in tagged]
        if self._is_flexible:
            parts.append(self._tags(tagged))
        return b"".join(parts)

    def _field(self, field: FieldDeclaration, type: FieldType, in_array: bool = False) -> bytes:
        can_be_null = self._version in field.nullable and not in_array
        is_null = can_be_null and self._hand.is_null()
        match type:
            case Fixed():
                return self._hand.fixed(type)
            case Variable() | Array() if is_null:
                return self._count(-1, type)
            case Variable():
                content = self._hand.content(type)
                return self._count(len(content), type) + content
            case Array():
                element = type.element
                count, content = self._hand.array(lambda: self._field(field, element, True))
                return self._count(count, type) + content
            case _:
                if is_null:
                    return NULL_STRUCTURE
                return (PRESENT_STRUCTURE if can_be_null else b"") + self._structure(type)

    def _count(self, count: int, type: Variable | Array) -> bytes:
        count = self._hand.claim(count)
        if self._is_flexible:
            return varint(count + 1)
        bits = 16 if type is STRING else 32
        return (count % (1 << bits)).to_bytes(bits // 8, "big")

    def _tags(self, declared: list[FieldDeclaration]) -> bytes:
        known = {
            each.tag: (lambda each=each: self._field(each, each.type))
            for each in declared
            if each.tag is not None
        }
        tags = self._hand.tags(known)
        parts = [varint(self._hand.claim(len(tags)))]
        for tag, content in tags:
            parts += (varint(tag), varint(self._hand.claim(len(content))), content)
        return b"".join(parts)


class Whim:
    """Decides by bytes. The first says after how many counts one lie comes; 0: never."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._until_lie = choices.byte() if choices.byte() & 1 else 0
        self._has_many = False
        self.is_honest = True
        """Whether what was written so far can be read."""

    def is_null(self) -> bool:
        return self._choices.byte() & 1 == 1

    def fixed(self, type: Fixed) -> bytes:
        return self._choices.take(type.size_bytes)

    def content(self, type: Variable) -> bytes:
        choices = self._choices
        if type is not STRING:
            return choices.take(choices.below(80))
        text = choices.one_of(_TEXTS) if choices.byte() & 3 else choices.take(choices.below(10))
        self.is_honest &= is_utf8(text)
        return text

    def array(self, element: Element) -> tuple[int, bytes]:
        choices = self._choices
        count = 0 if choices.is_spent else choices.below(4)
        if choices.byte() == 0xFF and not self._has_many:
            self._has_many = True
            return _MANY, element() * _MANY
        return count, b"".join(element() for _ in range(count))

    def tags(self, known: dict[int, Element]) -> list[Tag]:
        choices = self._choices
        kind = choices.byte()
        tags = [(tag, content()) for tag, content in sorted(known.items()) if kind & 1 << tag % 4]
        extra: list[Tag] = []
        if kind & 0x30 == 0x30:
            extra.append((choices.below(130), choices.take(choices.below(4))))
        if kind & 0xC0 == 0xC0:
            extra += [(200 + number, b"") for number in range(choices.below(MAX_TAGS + 3))]
        tags += extra
        numbers = [tag for tag, _ in tags]
        if sorted(set(numbers)) != numbers or len(tags) > MAX_TAGS or dict(extra).keys() & known:
            self.is_honest = False
        return tags

    def claim(self, count: int) -> int:
        if self._until_lie:
            self._until_lie -= 1
            if not self._until_lie:
                self.is_honest = False
                return self._choices.one_of((count + 1, count - 1, *_LIES))
        return count


class Greedy:
    """Wants one array, the `chosen`th that is met, to have `count` elements, and fat ones."""

    def __init__(
        self, chosen: int, count: int, *, text: bytes = b"", inner: int = 1, tags: int = 0
    ) -> None:
        self._chosen = chosen
        self._count = count
        self._text = text
        self._inner = inner
        self._tags = [(1000 + number, b"") for number in range(tags)]
        self.met = 0
        """Arrays so far; when no more than `chosen` of them were met, there is no such array."""
        self.elements = 0

    def is_null(self) -> bool:
        return False

    def fixed(self, type: Fixed) -> bytes:
        return b"\x7e" * type.size_bytes

    def content(self, type: Variable) -> bytes:
        return self._text if type is STRING else b""

    def array(self, element: Element) -> tuple[int, bytes]:
        number, self.met = self.met, self.met + 1
        count = 1 if number < self._chosen else self._inner
        if number == self._chosen:
            count = self._count
        before = self.elements
        content = element()
        self.elements = before + count * (self.elements - before + 1)
        return count, content * count

    def tags(self, known: dict[int, Element]) -> list[Tag]:
        return [(tag, content()) for tag, content in sorted(known.items())] + self._tags

    def claim(self, count: int) -> int:
        return count


def varint(number: int) -> bytes:
    """An unsigned varint of 32 bits, in five bytes for what does not fit."""
    number %= 1 << 32
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def is_utf8(text: bytes) -> bool:
    """Whether these bytes are a string."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
