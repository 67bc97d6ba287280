"""ApiVersions (key 18): which APIs do you serve, and in which versions?

The first request on every connection (KIP-35). Each side then speaks the highest version that both
know. Because the client asks before it knows anything, two rules hold here and nowhere else
(KIP-511):

- a response has header v0 in every version, without the byte for tagged fields;
- a request of a version that the broker lacks is answered in the layout of v0, with error
  UNSUPPORTED_VERSION and one entry: key 18 and its range. The client asks again within it.

    v0   the list of APIs (KIP-35)
    v1   `throttle_time_ms` (KIP-124)
    v2   no new bytes: the broker answers before it throttles (KIP-219)
    v3   flexible (KIP-482); the client's name and version (KIP-511); features (KIP-584)
    v4   no new bytes: a supported feature may have the minimum 0 (KAFKA-17011)

`zk_migration_ready` (KIP-866) is declared because it is on the wire; nobody sets it.
"""

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, INT16, INT32, INT64, STRING
from ..schema import ZERO


@message(key=18, versions="0-4", flexible="3+")
class ApiVersionsRequest:
    """What do you speak? A client to any broker, first thing on a connection (KIP-35)."""

    client_software_name: str = field(STRING, "3+", default="", ignorable=True)
    client_software_version: str = field(STRING, "3+", default="", ignorable=True)


@struct
class ApiVersion:
    """One API and the versions of it that the broker serves, both ends included."""

    api_key: int = field(INT16)
    min_version: int = field(INT16)
    max_version: int = field(INT16)


@struct
class SupportedFeature:
    """One feature and the levels of it that this broker could run (KIP-584)."""

    name: str = field(STRING)
    min_version: int = field(INT16)
    max_version: int = field(INT16)


@struct
class FinalizedFeature:
    """One feature and the levels that the whole cluster has agreed on (KIP-584)."""

    name: str = field(STRING)
    max_version_level: int = field(INT16)
    min_version_level: int = field(INT16)


@message(key=18, versions="0-4", flexible="3+")
class ApiVersionsResponse:
    """The table of APIs; an epoch of -1 says that the cluster has no finalized features."""

    error_code: int = field(INT16)
    api_keys: list[ApiVersion] = field(array(ApiVersion))
    throttle_time_ms: int = field(INT32, "1+", default=0, ignorable=True)
    supported_features: list[SupportedFeature] = field(
        array(SupportedFeature), "3+", tag=0, default=ZERO, ignorable=True
    )
    finalized_features_epoch: int = field(INT64, "3+", tag=1, default=-1, ignorable=True)
    finalized_features: list[FinalizedFeature] = field(
        array(FinalizedFeature), "3+", tag=2, default=ZERO, ignorable=True
    )
    zk_migration_ready: bool = field(BOOLEAN, "3+", tag=3, default=False, ignorable=True)
