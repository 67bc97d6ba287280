"""The checksum equals its published values, and loading it stays cheap."""

import subprocess
import sys

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikafka.protocol.crc32c import crc32c


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_values_of_rfc_3720(data: bytes, checksum: int) -> None:
    assert crc32c(data) == checksum


@given(st.binary(), st.binary())
def test_goes_on_from_the_bytes_before_and_equals_another_implementation(
    head: bytes, tail: bytes
) -> None:
    checksum = crc32c(memoryview(bytearray(head + tail)))
    assert checksum == crc32c(tail, crc32c(head)) == google_crc32c.value(head + tail)


def test_import_does_not_load_the_metadata_of_packages() -> None:
    code = "import sys, minikafka.protocol.crc32c; sys.exit('importlib.metadata' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_falls_back_to_the_package_when_the_extension_is_elsewhere() -> None:
    code = (
        "import importlib.machinery, sys, crc32c\n"
        "importlib.machinery.EXTENSION_SUFFIXES[:] = ['.nowhere']\n"
        "from minikafka.protocol.crc32c import crc32c\n"
        "sys.exit(crc32c(b'123456789') != 0xE3069283)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
