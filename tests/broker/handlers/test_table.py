"""The table of served APIs: it agrees with the messages, and every entry can be routed."""

import pytest

from minikafka.broker.handlers.table import SERVED_VERSIONS, advertised_versions, find_route
from minikafka.protocol.api import API_MODULES, request_class, response_class
from minikafka.protocol.schema import schema_of

EVERY_ROUTE = [
    (key, version)
    for key, (first, last) in SERVED_VERSIONS.items()
    for version in range(first, last + 1)
]


@pytest.mark.parametrize("key", SERVED_VERSIONS)
def test_what_is_served_is_what_the_messages_can_carry(key: int) -> None:
    request, response = request_class(key), response_class(key)
    assert request is not None
    assert response is not None
    versions = schema_of(request).versions
    assert schema_of(response).versions == versions
    assert SERVED_VERSIONS[key] == (versions.first, versions.last)


def test_every_message_is_served() -> None:
    assert set(SERVED_VERSIONS) == set(API_MODULES)


@pytest.mark.parametrize(("key", "version"), EVERY_ROUTE)
def test_every_served_version_has_a_route(key: int, version: int) -> None:
    route = find_route(key, version)
    assert route is not None
    assert callable(route.handle)
    assert find_route(key, version) is route


@pytest.mark.parametrize("key", SERVED_VERSIONS)
def test_the_versions_beside_the_served_ones_have_no_route(key: int) -> None:
    first, last = SERVED_VERSIONS[key]
    assert find_route(key, first - 1) is None
    assert find_route(key, last + 1) is None


@pytest.mark.parametrize("key", [-1, 4, 71, 72, 32767])
def test_an_unknown_key_has_no_route(key: int) -> None:
    assert find_route(key, 0) is None


def test_what_a_peer_asks_for_in_vain_is_not_remembered_for_ever() -> None:
    limit = find_route.cache_parameters()["maxsize"]
    assert limit is not None
    assert len(EVERY_ROUTE) <= limit


def test_only_produce_is_advertised_wider_than_it_is_served() -> None:
    wider = {key for key in SERVED_VERSIONS if advertised_versions(key) != SERVED_VERSIONS[key]}
    assert wider == {0}
    assert advertised_versions(0) == (0, SERVED_VERSIONS[0][1])
