"""CRC-32C (Castagnoli, RFC 3720): the checksum of record batches and of producer snapshots.

The work is done in C by the extension module `_crc32c` of the package `crc32c`, with the
processor's own instruction where there is one.

The package's `__init__` imports importlib.metadata to learn its own version, which costs more than
thirty milliseconds, a good part of a broker's start. So the extension module is loaded from its
file without running the package. Where no file is found that way (another layout, a zip), the
package is imported like any other: slower to start, the same function.

Invariant: a memoryview is read where it lies, without a copy.
"""

from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from typing import cast

from .primitives import Buffer


def _load() -> Callable[[Buffer, int], int]:
    """Return the C function, from the extension's file when it lies where wheels put it."""
    package = find_spec("crc32c")
    folders = (package.submodule_search_locations if package else None) or ()
    for path in (
        f"{folder}/_crc32c{suffix}" for folder in folders for suffix in EXTENSION_SUFFIXES
    ):
        spec = spec_from_file_location("_crc32c", path)
        try:
            if spec and isinstance(spec.loader, ExtensionFileLoader):
                module = module_from_spec(spec)
                spec.loader.exec_module(module)
                return cast("Callable[[Buffer, int], int]", module.crc32c)
        except ImportError:
            continue
    import crc32c as package_module

    return cast("Callable[[Buffer, int], int]", package_module.crc32c)


_crc32c = _load()


def crc32c(data: Buffer, value: int = 0) -> int:
    """Return the CRC-32C of `data` as an unsigned 32-bit number.

    `value` is the checksum of the bytes that come before `data`.
    """
    return _crc32c(data, value)
