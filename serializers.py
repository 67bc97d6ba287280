"""The door `minikafka.serializers`. The room behind it: client/serializers.py."""

from .client.serializers import (
    json_deserializer,
    json_serializer,
    msgpack_deserializer,
    msgpack_serializer,
    utf8_deserializer,
    utf8_serializer,
)

__all__ = [
    "json_deserializer",
    "json_serializer",
    "msgpack_deserializer",
    "msgpack_serializer",
    "utf8_deserializer",
    "utf8_serializer",
]
