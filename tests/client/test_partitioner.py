"""Partitioners against the vectors of Kafka's own tests and of librdkafka's."""

from random import Random

import pytest

from minikafka.client.partitioner import PartitionerName, make_partitioner, murmur2

LONG_KEY = b"this is another string with more length to it perhaps"


@pytest.mark.parametrize(
    ("key", "expected"),
    [  # Kafka's UtilsTest, as signed 32-bit numbers
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_that_of_the_java_client(key: bytes, expected: int):
    assert murmur2(key) == expected & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("name", "key", "expected"),
    [  # librdkafka's test 0048, positive 32-bit numbers
        ("murmur2", b"", 0x106E08D9),
        ("murmur2", b"23456", 0x058D780F),
        ("murmur2", LONG_KEY, 0x4F7703DA),
        ("murmur2", b"hejsan", 0x5EC19395),
        ("consistent_random", b"23456", 0xB1B451D7),
        ("consistent_random", LONG_KEY, 0xB0150DF7),
        ("consistent_random", b"hejsan", 0xD077037E),
    ],
)
@pytest.mark.parametrize("count", [1, 7, 17])
def test_keys_go_where_librdkafka_sends_them(
    name: PartitionerName, key: bytes, expected: int, count: int
):
    partitioner = make_partitioner(name, Random(1))
    assert partitioner.partition("t", key, count, range(count)) == expected % count


@pytest.mark.parametrize("key", [None, b""])
def test_consistent_random_spreads_records_without_a_key_or_with_an_empty_one(key: bytes | None):
    partitioner = make_partitioner("consistent_random", Random(1))
    assert {partitioner.partition("t", key, 4, (0, 1, 3)) for _ in range(100)} == {0, 1, 3}


def test_records_without_a_key_stick_until_a_batch_is_full():
    partitioner = make_partitioner("murmur2", Random(1))
    available = tuple(range(50))
    chosen = {partitioner.partition("t", None, 50, available) for _ in range(100)}
    assert len(chosen) == 1
    for _ in range(20):
        partitioner.batch_full("t")
        chosen.add(partitioner.partition("t", None, 50, available))
    assert len(chosen) > 5


def test_a_sticky_choice_leaves_a_partition_that_lost_its_leader():
    partitioner = make_partitioner("murmur2", Random(1))
    before = partitioner.partition("t", None, 2, (0, 1))
    after = partitioner.partition("t", None, 2, (1 - before,))
    assert after == 1 - before


def test_round_robin_takes_turns_whatever_the_key():
    partitioner = make_partitioner("round_robin", Random(1))
    chosen = [partitioner.partition("t", b"k", 4, (0, 2, 3)) for _ in range(6)]
    assert chosen == [0, 2, 3, 0, 2, 3]


def test_without_any_leader_every_partition_is_a_candidate():
    for name in ("murmur2", "consistent_random", "round_robin"):
        assert 0 <= make_partitioner(name, Random(1)).partition("t", None, 3, ()) < 3


def test_a_function_of_the_user_chooses():
    partitioner = make_partitioner(lambda key, all_partitions, available: 2, Random(1))
    assert partitioner.partition("t", b"k", 3, (0,)) == 2
    with pytest.raises(ValueError, match="chose 2 of 2 partitions of t"):
        partitioner.partition("t", b"k", 2, (0,))


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="murmur3"):
        make_partitioner("murmur3", Random(1))  # pyright: ignore[reportArgumentType]
