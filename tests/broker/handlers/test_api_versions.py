"""ApiVersions: the answer that every client reads first, and the ways in which it is special."""

import pytest

from minikafka.broker.handlers.table import SERVED_VERSIONS
from minikafka.protocol.api.api_versions import ApiVersionsRequest, ApiVersionsResponse
from minikafka.protocol.codec import decode
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, correlation_id_of, frame_of

SOFTWARE = ApiVersionsRequest(client_software_name="raw", client_software_version="1.0")


@pytest.mark.parametrize("version", range(5))
async def test_every_version_lists_the_served_apis(node: ServedNode, version: int) -> None:
    answer = await node.call(SOFTWARE, version)
    listed = {each.api_key: (each.min_version, each.max_version) for each in answer.api_keys}
    assert answer.error_code == ErrorCode.NONE
    assert listed == SERVED_VERSIONS | {0: (0, SERVED_VERSIONS[0][1])}


async def test_produce_is_advertised_from_0_for_older_librdkafka(node: ServedNode) -> None:
    listed = {each.api_key: each for each in (await node.call(SOFTWARE, 3)).api_keys}
    assert listed[0].min_version == 0


@pytest.mark.parametrize("version", [5, 99, 32767, -1])
async def test_an_unknown_version_is_answered_in_v0_with_its_own_range_alone(
    node: ServedNode, version: int
) -> None:
    client = await node.connect()
    frame = bytearray(frame_of(SOFTWARE, 4, 77))
    frame[6:8] = version.to_bytes(2, "big", signed=True)
    client.send_bytes(frame[:-1] + b"\xff")  # the body is not looked at
    answer = await client.receive_frame()
    response, end = decode(ApiVersionsResponse, memoryview(answer), 0, 4)
    assert correlation_id_of(answer) == 77
    assert end == len(answer)
    assert response.error_code == ErrorCode.UNSUPPORTED_VERSION
    assert [(each.api_key, each.min_version, each.max_version) for each in response.api_keys] == [
        (18, *SERVED_VERSIONS[18])
    ]
    assert (await client.call(SOFTWARE, 3)).error_code == ErrorCode.NONE


@pytest.mark.parametrize("version", [3, 4])
async def test_the_response_header_is_v0_even_where_the_body_is_flexible(
    node: ServedNode, version: int
) -> None:
    client = await node.connect()
    client.send(SOFTWARE, version)
    frame = await client.receive_frame()
    assert frame[4:6] == b"\0\0"  # the error code, where header v1 would have tags
    assert frame[6] == len(SERVED_VERSIONS) + 1


@pytest.mark.parametrize(
    ("name", "software_version"),
    [("", "1.0"), ("raw", ""), ("a b", "1.0"), ("raw", "1\n0"), ("-raw", "1"), ("räw", "1")],
)
async def test_a_software_name_that_is_no_plain_word_is_an_invalid_request(
    node: ServedNode, name: str, software_version: str
) -> None:
    request = ApiVersionsRequest(
        client_software_name=name, client_software_version=software_version
    )
    assert (await node.call(request, 3)).error_code == ErrorCode.INVALID_REQUEST
    assert (await node.call(request, 2)).error_code == ErrorCode.NONE
