"""Whether the replicas of a partition are the same on disk, byte for byte.

A follower appends the batches of its leader as they are. So the bytes of all its segments, one
behind the other, are those of the leader's, wherever each of them rolled its segments.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

CHUNK_BYTES: Final = 1 << 20


def differing_partitions(data_dirs: Iterable[Path], topic: str) -> list[str]:
    """The partitions of a topic, as TOPIC-PARTITION, whose logs differ between these directories.

    A directory that lacks a partition counts as one with an empty log.
    """
    data_dirs = list(data_dirs)
    names = {path.name for each in data_dirs for path in each.glob(f"{topic}-*") if path.is_dir()}
    return [name for name in sorted(names) if len({_digest(each / name) for each in data_dirs}) > 1]


def _digest(directory: Path) -> bytes:
    digest = hashlib.sha256()
    for path in sorted(directory.glob("*.log")):
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    return digest.digest()
