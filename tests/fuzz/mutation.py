"""A fuzzer without coverage that needs nothing installed: seeded, so a run can be repeated.

Each input is a stored one with a few changes of the kinds that break readers: bytes, bits, lengths
and counts at their limits, pieces doubled, moved, dropped or taken from another input.
"""

from collections.abc import Iterator, Sequence
from random import Random

MAX_INPUT_BYTES = 4096
_NUMBERS = tuple(
    (number % (1 << 8 * size)).to_bytes(size, "big")
    for size in (1, 2, 4, 8)
    for number in (-1, -2, 0, 1, 2, 0x7F, 0x80, 1 << 8 * size - 1, (1 << 8 * size - 1) - 1)
)
_VARINTS = (b"\xff\xff\xff\xff\x0f", b"\xff" * 9 + b"\x01", b"\x80\x80\x80\x80\x00", b"\x80\x01")
INTERESTING = (*_NUMBERS, *_VARINTS)


def inputs(seeds: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Inputs without end: the seeds themselves, then changed ones."""
    random = Random(seed)
    seeds = [*seeds, b""]
    yield from seeds
    while True:
        data = bytearray(random.choice(seeds))
        for _ in range(random.choice((1, 1, 2, 3, 5))):
            _change(data, random, seeds)
        yield bytes(data[:MAX_INPUT_BYTES])


def _change(data: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    """Change the data in one of ten ways."""
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.choice((1, 2, 4, 8, 64)))
    match random.randrange(10):
        case 0 | 1 if data:
            data[start % len(data)] = random.randrange(256)
        case 2 if data:
            data[start % len(data)] ^= 1 << random.randrange(8)
        case 3 | 4:
            number = random.choice(INTERESTING)
            data[start : start + len(number)] = number
        case 5:
            data[start:start] = random.choice(INTERESTING)
        case 6:
            del data[start:end]
        case 7:
            data[start:start] = data[start:end] * random.choice((1, 2, 20))
        case 8:
            del data[start:]
        case _:
            other = random.choice(seeds)
            data[start:] = other[random.randrange(len(other) + 1) :]
            data += random.randbytes(random.choice((0, 0, 4, 40)))
