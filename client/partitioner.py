"""Which partition a record goes to, when its sender does not say. PURE.

    name               with a key                       without a key
    murmur2            murmur2(key) & 0x7fffffff        sticky: one partition until its batch is
                       mod partitions (Java clients)    full, then another at random (KIP-480)
    consistent_random  crc32(key) mod partitions        at random; so does the empty key
                       (librdkafka, and all on it)
    round_robin        one after the other, whatever the key

Two clients send one key to one partition only if they agree on the function: a mixed fleet of Java
and librdkafka does not, unless one is told to (librdkafka: `partitioner=murmur2_random`).

Records without a key go only to partitions that have a leader; a key stays with its partition,
leader or not. Randomness is handed in.
"""

import zlib
from collections.abc import Callable, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from random import Random

PartitionerName = Literal["murmur2", "consistent_random", "round_robin"]
PartitionFunction = Callable[[bytes | None, Sequence[int], Sequence[int]], int]
"""A user's own: (key, all partitions, partitions with a leader) -> partition; as in aiokafka."""

_SEED: Final = 0x9747B28C
_MULTIPLIER: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF
_WORD: Final = Struct("<I")  # four bytes of the key, little-endian


class Partitioner(Protocol):
    """Chooses partitions; keeps what it needs to remember per topic."""

    def partition(self, topic: str, key: bytes | None, count: int, available: Sequence[int]) -> int:
        """A partition below `count`; `available` are those with a leader, perhaps none."""
        ...

    def batch_full(self, topic: str) -> None:
        """A batch of the topic is full: the moment for a sticky choice to move on."""
        ...


def murmur2(key: bytes) -> int:
    """Austin Appleby's MurmurHash2 with Kafka's seed, as an unsigned 32-bit number."""
    length = len(key)
    hashed = _SEED ^ length
    whole = length & ~3
    for (word,) in _WORD.iter_unpack(key[:whole]):
        word = (word * _MULTIPLIER) & _MASK
        word = ((word ^ (word >> 24)) * _MULTIPLIER) & _MASK
        hashed = ((hashed * _MULTIPLIER) & _MASK) ^ word
    if whole < length:
        hashed ^= int.from_bytes(key[whole:], "little")
        hashed = (hashed * _MULTIPLIER) & _MASK
    hashed = ((hashed ^ (hashed >> 13)) * _MULTIPLIER) & _MASK
    return hashed ^ (hashed >> 15)


class Murmur2Partitioner:
    """Java's default; sticky for records without a key."""

    def __init__(self, random: "Random") -> None:
        """Draw from `random`."""
        self._random = random
        self._sticky: dict[str, tuple[Sequence[int], int]] = {}

    def partition(self, topic: str, key: bytes | None, count: int, available: Sequence[int]) -> int:
        """See the table above."""
        if key is not None:
            return (murmur2(key) & 0x7FFFFFFF) % count
        known, sticky = self._sticky.get(topic, (None, -1))
        if known is not available:  # other leaders than last time, or the first time
            if sticky not in available:
                sticky = _any(self._random, count, available)
            self._sticky[topic] = (available, sticky)
        return sticky

    def batch_full(self, topic: str) -> None:
        """Choose anew for the next record without a key."""
        self._sticky.pop(topic, None)


class ConsistentRandomPartitioner:
    """librdkafka's default."""

    def __init__(self, random: "Random") -> None:
        """Draw from `random`."""
        self._random = random

    def partition(self, topic: str, key: bytes | None, count: int, available: Sequence[int]) -> int:
        """See the table above."""
        return zlib.crc32(key) % count if key else _any(self._random, count, available)

    def batch_full(self, topic: str) -> None:
        """Nothing sticks here."""


class RoundRobinPartitioner:
    """Spreads evenly, keys or not."""

    def __init__(self) -> None:
        """Begin at the first available partition."""
        self._next: dict[str, int] = {}

    def partition(self, topic: str, key: bytes | None, count: int, available: Sequence[int]) -> int:
        """See the table above."""
        index = self._next.get(topic, 0)
        self._next[topic] = index + 1
        return available[index % len(available)] if available else index % count

    def batch_full(self, topic: str) -> None:
        """Nothing sticks here."""


class FunctionPartitioner:
    """A function of the user's."""

    def __init__(self, function: PartitionFunction) -> None:
        """Call `function` for each record."""
        self._function = function

    def partition(self, topic: str, key: bytes | None, count: int, available: Sequence[int]) -> int:
        """What the function says; raises ValueError for what is no partition."""
        partition = self._function(key, range(count), available)
        if not 0 <= partition < count:
            raise ValueError(f"the partitioner chose {partition} of {count} partitions of {topic}")
        return partition

    def batch_full(self, topic: str) -> None:
        """Functions remember nothing."""


def make_partitioner(kind: PartitionerName | PartitionFunction, random: "Random") -> Partitioner:
    """The partitioner of this name, or around this function; raises ValueError."""
    if callable(kind):
        return FunctionPartitioner(kind)
    match kind:
        case "murmur2":
            return Murmur2Partitioner(random)
        case "consistent_random":
            return ConsistentRandomPartitioner(random)
        case "round_robin":
            return RoundRobinPartitioner()
    names = "murmur2, consistent_random or round_robin"
    raise ValueError(f"partitioner {kind!r} is neither a function nor {names}")


def _any(random: "Random", count: int, available: Sequence[int]) -> int:
    return random.choice(available) if available else random.randrange(count)
