"""A run of decisions taken from bytes, so that whoever mutates bytes mutates decisions.

Behind the end every byte is 0, which is always the plainest choice.
"""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Choices:
    """Reads decisions off `data`, one after another."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def is_spent(self) -> bool:
        """Whether only zeros are left."""
        return self._position >= len(self._data)

    def byte(self) -> int:
        """The next byte."""
        position = self._position
        self._position = position + 1
        return self._data[position] if position < len(self._data) else 0

    def below(self, end: int) -> int:
        """A number from 0 to `end` - 1, out of one byte, or two where one is not enough."""
        number = self.byte()
        return (number if end <= 256 else number << 8 | self.byte()) % end

    def one_of(self, items: Sequence[Item]) -> Item:
        """One of these, the first where nothing is left."""
        return items[self.below(len(items))]

    def take(self, count: int) -> bytes:
        """The next `count` bytes, filled up with zeros."""
        position = self._position
        self._position = position + count
        return self._data[position : position + count].ljust(count, b"\0")

    def rest(self) -> bytes:
        """All that is left."""
        position = self._position
        self._position = len(self._data)
        return self._data[position:]
