"""The chapter ladder: each API is on one rung, and a rung takes nothing away from those below."""

from collections import Counter

from minikafka.broker.handlers.chapters import (
    CHAPTERS,
    LAST_CHAPTER,
    chapter_of,
    find_route_until,
    served_until,
)
from minikafka.broker.handlers.table import SERVED_VERSIONS, find_route


def test_every_api_that_is_served_is_in_one_chapter() -> None:
    times = Counter(key for keys in CHAPTERS.values() for key in keys)
    assert set(SERVED_VERSIONS) == set(times)
    assert set(times.values()) == {1}
    assert {chapter_of(key) for key in SERVED_VERSIONS} <= set(CHAPTERS)


def test_each_chapter_adds_to_the_one_before() -> None:
    before: dict[int, tuple[int, int]] = {}
    for chapter in range(1, LAST_CHAPTER + 1):
        served = dict(served_until(chapter))
        assert served.items() >= before.items()
        before = served
    assert before == SERVED_VERSIONS


def test_a_chapter_finds_the_routes_of_its_apis_and_no_others() -> None:
    for chapter in range(1, LAST_CHAPTER + 1):
        find = find_route_until(chapter)
        for key, (_, last) in SERVED_VERSIONS.items():
            is_there = chapter_of(key) <= chapter
            assert find(key, last) is (find_route(key, last) if is_there else None)


def test_a_whole_broker_asks_the_table_itself() -> None:
    assert find_route_until(LAST_CHAPTER) is find_route
