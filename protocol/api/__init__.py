"""One file per Kafka API: its request, its response, and what each version added.

The files declare; `codec` compiles. This map leads from the API key in a request's header to the
two classes, and imports a file on its first use: a broker that starts pays for no API that nobody
has called, and a client for none that it does not speak.

A file's name is the API's in snake_case; its classes are the API's name plus Request and Response.
Their fields carry Kafka's names in snake_case, their structures the message's name plus Kafka's
noun. Structures are never shared between files: Kafka's messages evolve apart, and a field that is
tagged in one `NodeEndpoint` may be plain in another's.
"""

import functools
from importlib import import_module
from typing import Any

API_MODULES: dict[int, str] = {
    0: "produce",
    1: "fetch",
    2: "list_offsets",
    3: "metadata",
    8: "offset_commit",
    9: "offset_fetch",
    10: "find_coordinator",
    11: "join_group",
    12: "heartbeat",
    13: "leave_group",
    14: "sync_group",
    15: "describe_groups",
    16: "list_groups",
    18: "api_versions",
    19: "create_topics",
    20: "delete_topics",
    21: "delete_records",
    22: "init_producer_id",
    23: "offset_for_leader_epoch",
    32: "describe_configs",
    33: "alter_configs",
    34: "alter_replica_log_dirs",
    35: "describe_log_dirs",
    37: "create_partitions",
    42: "delete_groups",
    43: "elect_leaders",
    44: "incremental_alter_configs",
    45: "alter_partition_reassignments",
    46: "list_partition_reassignments",
    47: "offset_delete",
    55: "describe_quorum",
    60: "describe_cluster",
    61: "describe_producers",
    64: "unregister_broker",
    74: "list_config_resources",
    75: "describe_topic_partitions",
}


def api_name(api_key: int) -> str:
    """Kafka's name of the API, such as `ListOffsets`; for a key we lack, the key."""
    module = API_MODULES.get(api_key)
    return f"API {api_key}" if module is None else module.title().replace("_", "")


def request_class(api_key: int) -> type[Any] | None:
    """The class of the API's request, or None for a key we lack."""
    return _load(api_key, "Request") if api_key in API_MODULES else None


def response_class(api_key: int) -> type[Any] | None:
    """The class of the API's response, or None for a key we lack."""
    return _load(api_key, "Response") if api_key in API_MODULES else None


@functools.cache
def _load(api_key: int, kind: str) -> type[Any]:
    module = import_module(f".{API_MODULES[api_key]}", __name__)
    return getattr(module, api_name(api_key) + kind)
