"""`minikafka log dump`: the files of a data directory, decoded by the broker's own readers.

    00000000000000004711.log, .cut               segment_dump       4711 is the base offset
    00000000000000004711.index, .timeindex       index_dump
    00000000000000004711.snapshot, checkpoints,
    partition.metadata, meta.properties          small_file_dump

Nothing is opened for writing, so a node may be running: its active segment is read up to where it
ended when the command began. A .log may have any size, since lines come as they are found; other
files are read whole, up to a bound.
"""

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import closing
from typing import Final, NamedTuple

import click

from ..broker.controller.decide import METADATA_TOPIC
from ..broker.log.files import File, StorageError
from .dump_line import DumpLine
from .failure import Failure
from .index_dump import dump_offset_index, dump_time_index
from .segment_dump import Batch, Selection, dump_segment, read_batches
from .session import output_option
from .small_file_dump import SMALL_FILES, dump_small_file, dump_snapshot

MAX_SMALL_FILE_BYTES: Final = 64 << 20
"""The largest file that is read whole; Kafka makes no index larger than 10 MiB."""

_OF_SEGMENT: Final = re.compile(r"(\d{20})\.(log|cut|index|timeindex|snapshot)(\.cut)*", re.ASCII)
"""Who keeps a second .cut of a segment adds the suffix again."""


class Name(NamedTuple):
    """What a file's name says: "log", "index", ... and the base offset, or a name as it is."""

    kind: str
    base_offset: int = 0


@click.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True)
@click.option("--records", is_flag=True, help="Also open the batches: each of their records.")
@click.option("--verify", is_flag=True, help="Only say what is wrong, and the sum of each file.")
@click.option("--offset", type=int, default=0, metavar="N", help="No batch that ends before N.")
@click.option("--max", "max_batches", type=click.IntRange(min=1), help="So many batches of a log.")
@output_option
def dump(
    paths: tuple[str, ...],
    records: bool,
    verify: bool,
    offset: int,
    max_batches: int | None,
    output: str,
) -> None:
    """Decode files of a data directory, a line for each batch or entry.

    Checksums are compared, offsets and epochs must rise. --verify also holds an index against the
    .log beside it, and with --records the records against their batch. What is wrong is shown where
    it is, what follows is still decoded, and the exit status is 1.

    \b
    Examples:
      minikafka log dump --records minikafka-data/node-1/orders-0/00000000000000000000.log
      minikafka log dump --verify minikafka-data/node-1/orders-0/*
    """
    names = [_name_of(path) for path in paths]
    selection = Selection(not verify, records, offset, max_batches)
    damaged: list[str] = []
    for path, name in zip(paths, names, strict=True):
        if output == "table" and len(paths) > 1 and not verify:
            click.echo(f"{path}:")
        for line in _lines(path, name, selection, verify):
            if line.kind == "damage" and path not in damaged:
                damaged.append(path)
            if not verify or line.kind in ("damage", "sum"):
                _write(path, line, output, verify)
    if damaged:
        raise Failure(f"damaged: {', '.join(damaged)}")


def _name_of(path: str) -> Name:
    """What kind of file this is; raises click.BadParameter for one that no node writes."""
    name = os.path.basename(path)
    if match := _OF_SEGMENT.fullmatch(name):
        return Name(match[2], int(match[1]))
    if name in SMALL_FILES:
        return Name(name)
    known = f"20 digits with .log, .cut, .index, .timeindex or .snapshot, {', '.join(SMALL_FILES)}"
    raise click.BadParameter(f"{path} has no name that a node gives to a file: those are {known}")


def _lines(path: str, name: Name, selection: Selection, verify: bool) -> Iterator[DumpLine]:
    """The lines of one file; raises Failure where it cannot be read."""
    try:
        with closing(_open(path)) as file:
            if name.kind in ("log", "cut"):
                is_metadata = _directory(path) == f"{METADATA_TOPIC}-0"
                yield from dump_segment(file, name.base_offset, selection, is_metadata)
            elif name.kind in ("index", "timeindex"):
                dump_index = dump_offset_index if name.kind == "index" else dump_time_index
                batches = _batches_beside(path, name.base_offset) if verify else None
                yield from dump_index(_read(file), name.base_offset, batches)
            elif name.kind == "snapshot":
                yield from dump_snapshot(_read(file))
            else:
                yield from dump_small_file(name.kind, _read(file))
    except StorageError as error:
        raise Failure(str(error)) from error


def _batches_beside(index_path: str, base_offset: int) -> Iterator[Batch] | None:
    """The sound batches of the log that an index belongs to; None if there is no log."""
    log_path = f"{os.path.splitext(index_path)[0]}.log"
    if not os.path.exists(log_path):
        return None
    return (each for each in read_batches(_open(log_path), base_offset) if isinstance(each, Batch))


def _open(path: str) -> File:
    """The file, for reading alone, as nobody who looks should need the right to write."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Failure(f"{path} is no file")
        return File(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from error


def _read(file: File) -> bytes:
    if file.size_bytes > MAX_SMALL_FILE_BYTES:
        raise Failure(f"{file.path} is too large for what it should be: {file.size_bytes} bytes")
    return file.pread(file.size_bytes, 0)


def _directory(path: str) -> str:
    return os.path.basename(os.path.dirname(os.path.abspath(path)))


def _write(path: str, line: DumpLine, output: str, verify: bool) -> None:
    if output == "table":
        click.echo(f"{path}: {' '.join(line.text.split())}" if verify else line.text)
    elif line.kind != "heading":
        click.echo(json.dumps({"file": path, "kind": line.kind, **line.fields}))
