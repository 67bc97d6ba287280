"""Authorized operations: Kafka's bits (KIP-430)."""

from minikafka.broker.handlers import operations


def test_the_bits_are_those_of_kafkas_operation_codes() -> None:
    assert bits(operations.ON_TOPIC) == [3, 4, 5, 6, 7, 8, 10, 11]
    assert bits(operations.ON_CLUSTER) == [5, 7, 8, 9, 10, 11, 12]


def test_not_requested_is_the_smallest_number() -> None:
    assert operations.NOT_REQUESTED == -2147483648


def bits(field: int) -> list[int]:
    """The numbers of the bits that are set."""
    return [number for number in range(32) if field >> number & 1]
