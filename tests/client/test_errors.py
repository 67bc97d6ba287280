"""The client's own errors are KafkaErrors, and what Python's users expect besides."""

import pytest

from minikafka.client import errors
from minikafka.protocol.errors import KafkaError


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_a_kafka_error(name: str):
    assert issubclass(getattr(errors, name), KafkaError)


def test_a_timeout_is_pythons_and_a_failed_connection_too():
    assert issubclass(errors.KafkaTimeout, TimeoutError)
    assert issubclass(errors.CannotConnect, ConnectionError)


def test_what_may_pass_is_retriable():
    assert errors.KafkaTimeout().retriable
    assert errors.CannotConnect().retriable
    assert not errors.UnsupportedByCluster().retriable
    assert not errors.ClientNotRunning().retriable
