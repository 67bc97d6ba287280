"""Files that exist in memory alone, since a fuzz target opens thousands a second.

They keep the contract of `minikafka.broker.log.files` in a world where nothing fails.
"""

from collections.abc import Sequence

from minikafka.broker.log.files import File, Files
from minikafka.protocol.primitives import Buffer


class MemoryFile(File):
    """One open file."""

    __slots__ = ("content",)

    def __init__(self, path: str, content: bytearray) -> None:
        self.path = path
        self.content = content
        self.size_bytes = len(content)

    def append(self, chunks: Sequence[Buffer]) -> None:
        for chunk in chunks:
            self.content += chunk
        self.size_bytes = len(self.content)

    def pread(self, count: int, position: int) -> bytes:
        assert position >= 0, f"a read at {position}"
        return bytes(self.content[position : position + count])

    def pread_into(self, buffer: bytearray | memoryview, position: int) -> int:
        piece = self.pread(len(buffer), position)
        buffer[: len(piece)] = piece
        return len(piece)

    def truncate(self, size_bytes: int) -> None:
        del self.content[size_bytes:]
        self.size_bytes = size_bytes

    def close(self) -> None:
        pass

    def __del__(self) -> None:
        pass


class MemoryFiles(Files):
    """A directory tree of paths and contents."""

    def __init__(self, contents: dict[str, bytes] | None = None) -> None:
        self.contents = {path: bytearray(data) for path, data in (contents or {}).items()}

    def open(self, path: str, *, create: bool = False) -> File:
        if path not in self.contents:
            if not create:
                raise FileNotFoundError(path)
            self.contents[path] = bytearray()
        return MemoryFile(path, self.contents[path])

    def exists(self, path: str) -> bool:
        return path in self.contents or bool(self._below(path))

    def file_size(self, path: str) -> int:
        return len(self._content(path))

    def list_directory(self, path: str) -> list[str]:
        return sorted({below.split("/", 1)[0] for below in self._below(path)})

    def make_directory(self, path: str) -> None:
        pass

    def remove_directory(self, path: str) -> None:
        for below in self._below(path):
            del self.contents[f"{path}/{below}"]

    def rename(self, source: str, target: str) -> None:
        if source in self.contents:
            self.contents[target] = self.contents.pop(source)
        for below in self._below(source):
            self.contents[f"{target}/{below}"] = self.contents.pop(f"{source}/{below}")

    def unlink(self, path: str) -> None:
        self.contents.pop(path, None)

    def read_bytes(self, path: str) -> bytes:
        return bytes(self._content(path))

    def replace(self, path: str, data: Buffer) -> None:
        self.contents[path] = bytearray(data)

    def fsync_directory(self, path: str) -> None:
        pass

    def lock(self, path: str) -> File:
        return self.open(path, create=True)

    async def flush(self, files: Sequence[File | str]) -> None:
        pass

    def flush_now(self, files: Sequence[File | str]) -> None:
        pass

    def boot_id(self) -> str:
        return "this boot"

    def close(self) -> None:
        pass

    def snapshot(self) -> dict[str, bytes]:
        """What every file holds now."""
        return {path: bytes(content) for path, content in self.contents.items()}

    def _content(self, path: str) -> bytearray:
        if path not in self.contents:
            raise FileNotFoundError(path)
        return self.contents[path]

    def _below(self, path: str) -> list[str]:
        start = f"{path}/"
        return [name[len(start) :] for name in self.contents if name.startswith(start)]
