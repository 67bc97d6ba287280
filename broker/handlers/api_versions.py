"""ApiVersions: what do you speak? The first question of every client (KIP-35, KIP-511)."""

import re

from ...protocol.api.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from ...protocol.errors import ErrorCode
from .chapters import served_until
from .context import Context, Exchange
from .table import API_VERSIONS_KEY, advertised_versions

_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?", re.ASCII)
FIRST_VERSION_WITH_SOFTWARE = 3


def handle(
    exchange: Exchange, request: ApiVersionsRequest, context: Context
) -> ApiVersionsResponse:
    """The table; INVALID_REQUEST for a client whose name or version is not a plain word."""
    if exchange.version >= FIRST_VERSION_WITH_SOFTWARE and not (
        _SOFTWARE.fullmatch(request.client_software_name)
        and _SOFTWARE.fullmatch(request.client_software_version)
    ):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST, api_keys=[])
    served = served_until(context.config.chapter)
    return ApiVersionsResponse(
        error_code=ErrorCode.NONE, api_keys=[_entry(key) for key in sorted(served)]
    )


def unsupported_version() -> ApiVersionsResponse:
    """The answer, in the layout of version 0, to a version that we lack: which ones we have."""
    return ApiVersionsResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[_entry(API_VERSIONS_KEY)]
    )


def _entry(api_key: int) -> ApiVersion:
    first, last = advertised_versions(api_key)
    return ApiVersion(api_key=api_key, min_version=first, max_version=last)
