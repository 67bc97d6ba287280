"""Serializers that come with us: json, msgpack, utf8. PURE.

    utf8       str                                    readable anywhere
    json       what json.dumps takes                  readable anywhere, compact and in UTF-8
    msgpack    what json takes, and bytes             smaller, and quicker both ways

A serializer is any callable from a value to bytes, a deserializer one from bytes to a value; these
are such functions and nothing more. They never see None: a record without a key or a value is one
without (in a compacted topic it is a tombstone), so the JSON value `null` cannot be sent alone.

What cannot be written is a TypeError that says what would do. What cannot be read is a ValueError:
a consumer puts the record's place before it and stands there until somebody seeks past.
"""

import json
from typing import Any, cast

import msgpack

__all__ = [
    "json_deserializer",
    "json_serializer",
    "msgpack_deserializer",
    "msgpack_serializer",
    "utf8_deserializer",
    "utf8_serializer",
]


def utf8_serializer(text: str) -> bytes:
    """A string as UTF-8."""
    # Whoever calls this need not have been checked.
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"utf8_serializer takes str, not {type(text).__name__}")
    return text.encode()


def utf8_deserializer(data: bytes) -> str:
    """The string of some UTF-8; ValueError for other bytes."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8: {error.reason} at byte {error.start}") from error


def json_serializer(value: Any) -> bytes:
    """A value as JSON, as short as it gets; NaN is refused, for JSON has none (RFC 8259)."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        needed = "json_serializer takes dict, list, str, int, float, bool and None inside them"
        raise TypeError(f"{needed}: {error}") from error


def json_deserializer(data: bytes) -> Any:
    """The value of some JSON; ValueError for other bytes."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error


def msgpack_serializer(value: Any) -> bytes:
    """A value as msgpack; bytes stay bytes, and a tuple is read again as a list."""
    try:
        return cast(bytes, cast(Any, msgpack).packb(value))
    except (TypeError, ValueError, OverflowError) as error:
        needed = (
            "msgpack_serializer takes dict, list, str, bytes, int of 64 bits, float, bool, None"
        )
        raise TypeError(f"{needed}: {error}") from error


def msgpack_deserializer(data: bytes) -> Any:
    """The value of some msgpack, keys of any kind; ValueError for other bytes."""
    try:
        return cast(Any, msgpack).unpackb(data, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise ValueError(f"no msgpack: {str(error) or type(error).__name__}") from error
