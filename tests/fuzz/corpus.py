"""The stored inputs of each target: what real messages look like, and what once broke something."""

from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
MAX_BYTES = 300_000
"""All inputs of all targets together."""


def load(target: str) -> list[bytes]:
    """The inputs of a target, in the order of their names."""
    return [path.read_bytes() for path in sorted((FOLDER / target).glob("*")) if path.is_file()]


def keep(target: str, data: bytes, name: str = "") -> Path:
    """Store an input, named by its hash unless it has a name."""
    folder = FOLDER / target
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or sha256(data).hexdigest()[:16])
    path.write_bytes(data)
    return path
