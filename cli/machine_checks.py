"""What a node finds on this machine: Python and packages, limits, the disk under its data.

versions, event loop, checksum, codecs       what is installed, and whether it works
open files                                   the limit that a node would get
data directory, disk space, file system      where it would write; nothing is written here
"""

import os
import platform
import resource
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from ..broker.config import BrokerConfig
from ..broker.log import checkpoints
from ..protocol.compression import CompressionType, compress, decompress
from ..protocol.crc32c import crc32c
from .finding import Finding, bad, ok, warn

RESERVED_FILES: Final = 500
"""What a node opens beside connections: logs, indexes, its own sockets."""
LEAST_FREE_BYTES: Final = 1 << 30
LEAST_FREE_SHARE: Final = 0.05
FULL_BYTES: Final = 64 << 20
CHECK_INPUT: Final = b"123456789"
CHECK_CRC: Final = 0xE3069283
"""The check value of CRC-32C (Castagnoli), of CHECK_INPUT."""
MOUNTS: Final = "/proc/self/mounts"

_REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs"})
_VOLATILE: Final = frozenset({"tmpfs", "ramfs"})


def machine_findings(data_dir: str) -> Iterator[Finding]:
    """All of them."""
    yield _versions()
    yield _event_loop()
    yield _checksum()
    yield _codecs()
    yield _open_files()
    yield _data_directory(data_dir)
    nearest = _nearest_directory(data_dir)
    yield _disk_space(nearest)
    yield _file_system(nearest)


def _versions() -> Finding:
    python = f"Python {platform.python_version()}, {platform.system()} {platform.release()}"
    return ok("versions", f"minikafka {version('minikafka')}, {python}")


def _event_loop() -> Finding:
    try:
        return ok("event loop", f"uvloop {version('uvloop')}")
    except PackageNotFoundError:
        return warn(
            "event loop", "asyncio's own; with uvloop a node serves more: pip install uvloop"
        )


def _checksum() -> Finding:
    if crc32c(CHECK_INPUT) != CHECK_CRC:
        return bad("checksum", "crc32c computes a wrong CRC-32C: install the package again")
    import crc32c as package  # The node does without its __init__, which is slow to import.

    if not package.hardware_based:
        return warn("checksum", "crc32c in software: this processor lacks the instruction")
    return ok("checksum", f"crc32c {version('crc32c')}, by the processor's own instruction")


def _codecs() -> Finding:
    broken = [codec.name for codec in CompressionType if not _survives(codec)]
    if broken:
        return bad("codecs", f"cramjam fails in {', '.join(broken)}: install the package again")
    names = ", ".join(codec.name for codec in CompressionType if codec)
    return ok("codecs", f"{names} by cramjam {version('cramjam')}")


def _survives(codec: CompressionType) -> bool:
    """Whether a text comes back as it was."""
    return bytes(decompress(codec, compress(codec, CHECK_INPUT * 100))) == CHECK_INPUT * 100


def _open_files() -> Finding:
    limit, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = BrokerConfig().max_connections
    if limit == resource.RLIM_INFINITY or limit >= connections + RESERVED_FILES:
        return ok("open files", "unlimited" if limit == resource.RLIM_INFINITY else f"{limit}")
    least = connections + RESERVED_FILES
    more = "" if hard_limit == resource.RLIM_INFINITY else f", {hard_limit} at most"
    sentence = f"{limit}, while {connections} connections need {least}: ulimit -n {least}{more}"
    return warn("open files", sentence) if limit > RESERVED_FILES else bad("open files", sentence)


def _data_directory(data_dir: str) -> Finding:
    check = "data directory"
    if not os.path.lexists(data_dir):
        nearest = _nearest_directory(data_dir)
        if not os.access(nearest, os.W_OK | os.X_OK):
            return bad(check, f"{data_dir} cannot be made: no right to write in {nearest}")
        return ok(check, f"{data_dir} will be made")
    if not os.path.isdir(data_dir):
        return bad(check, f"{data_dir} is no directory: choose another with --data-dir")
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        return bad(check, f"no right to read and write {data_dir}: whose is it?")
    try:
        with open(f"{data_dir}/{checkpoints.META_PROPERTIES}", "rb") as file:
            owner = checkpoints.decode_meta_properties(file.read())
    except FileNotFoundError:
        return ok(check, f"{data_dir}, of no node yet")
    except (OSError, checkpoints.CorruptCheckpoint) as error:
        return bad(check, f"{data_dir}/{checkpoints.META_PROPERTIES}: {error}")
    return ok(check, f"{data_dir}, of node {owner.node_id} in cluster {owner.cluster_id}")


def _disk_space(directory: str) -> Finding:
    total_bytes, _, free_bytes = shutil.disk_usage(directory)
    sentence = f"{_size(free_bytes)} of {_size(total_bytes)} are free under {directory}"
    remedy = "make room, or shorten retention.ms and retention.bytes"
    if free_bytes < FULL_BYTES:
        return bad("disk space", f"{sentence}: {remedy}")
    if (
        free_bytes < min(LEAST_FREE_BYTES, total_bytes)
        or free_bytes < LEAST_FREE_SHARE * total_bytes
    ):
        return warn("disk space", f"{sentence}: {remedy}")
    return ok("disk space", sentence)


def _file_system(directory: str) -> Finding:
    check, kind = "file system", file_system_of(directory)
    if kind is None:
        return ok(check, f"not known under {directory}")
    if kind in _VOLATILE:
        return warn(check, f"{kind}: in memory, so a restart of the machine takes every record")
    if kind in _REMOTE:
        return warn(
            check, f"{kind}: over a network, where locks and fsync may not mean what they say"
        )
    return ok(check, kind)


def file_system_of(directory: str) -> str | None:
    """The kind of file system on which a directory lies; None where the system does not say."""
    try:
        with open(MOUNTS, encoding="utf-8", errors="replace") as file:
            mounts = [line.split()[1:3] for line in file]
    except OSError:
        return None
    path = os.path.realpath(directory)
    around = [mount for mount in mounts if _lies_in(path, mount[0])]
    around.sort(key=lambda mount: len(mount[0]))  # Of several at one place the last one is seen.
    return around[-1][1] if around else None


def _lies_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")


def _nearest_directory(path: str) -> str:
    """The directory itself, or the one above it that is there."""
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _size(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f} GiB"
