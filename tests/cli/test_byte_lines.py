"""Lines of bytes from pipes and files."""

import asyncio
import os
from pathlib import Path

import pytest

from minikafka.cli import byte_lines as module
from minikafka.cli.byte_lines import byte_lines
from minikafka.cli.failure import Failure


async def _read(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return [line async for line in byte_lines(file.fileno())]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"", []),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\nb", [b"a", b"b"]),
        (b"\n\na\r\n", [b"", b"", b"a\r"]),
        (b"x" * 300_000 + b"\ny", [b"x" * 300_000, b"y"]),
    ],
    ids=["empty", "lines", "no last newline", "empty lines", "longer than a read"],
)
async def test_a_file_is_split_at_its_newlines(
    tmp_path: Path, text: bytes, lines: list[bytes]
) -> None:
    path = tmp_path / "lines"
    path.write_bytes(text)
    assert await _read(path) == lines


async def test_a_pipe_gives_a_line_before_it_ends_and_the_loop_runs_on() -> None:
    reader, writer = os.pipe()
    try:
        lines = byte_lines(reader)
        os.write(writer, b"first\nsec")
        assert await anext(lines) == b"first"
        second = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        assert not second.done()
        os.write(writer, b"ond\n")
        assert await second == b"second"
        await lines.aclose()
    finally:
        os.close(reader)
        os.close(writer)


async def test_an_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 10)
    path = tmp_path / "lines"
    path.write_bytes(b"x" * 11)
    with pytest.raises(Failure, match="longer than 10 bytes"):
        await _read(path)
