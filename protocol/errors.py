"""Kafka's error table, and the exceptions that a client's user sees.

An error is a *value* on the wire: an int16 in a response. `ErrorCode` is that value, and its rows
are the table: number, retriable, message. Names and numbers are Kafka's; the messages are ours.

    ErrorCode.NOT_COORDINATOR      == 16, an int like any other in a response
    ErrorCode.NOT_COORDINATOR.retriable, .message

`KafkaError` is what the client *raises* when a response carries such a value. Each code has one
subclass, so that a program catches by name the case which it can handle:

    except errors.UnknownTopicOrPartition: ...       made on first use from the row of code 3
    raise KafkaError.of(response.error_code, "topic 'orders'")

*Retriable* says that the same request may succeed later without anybody changing it, usually after
fresh metadata. It does not say that the request left no trace: REQUEST_TIMED_OUT may have done its
work.

The subclasses are made lazily, since a broker answers codes and needs none of them. Left out:
Kafka's finer families of exceptions (those that ask for fresh metadata, those that end a producer);
the client decides these by code, where the decision is read.
"""

import functools
from enum import IntEnum


class ErrorCode(IntEnum):
    """Every error code of Kafka's protocol (4.3): an int on the wire, with two facts beside it."""

    retriable: bool
    message: str

    def __new__(cls, value: int, retriable: bool, message: str) -> "ErrorCode":
        """Make one row of the table below: (number, retriable, message)."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.retriable = retriable
        code.message = message
        return code

    UNKNOWN_SERVER_ERROR = -1, False, "the server failed in a way that no other code describes"
    NONE = 0, False, "no error"
    OFFSET_OUT_OF_RANGE = 1, False, "the partition holds no such offset"
    CORRUPT_MESSAGE = 2, True, "a record batch is damaged: checksum, size or layout is wrong"
    UNKNOWN_TOPIC_OR_PARTITION = 3, True, "the broker knows no such topic or partition"
    INVALID_FETCH_SIZE = 4, False, "the requested fetch size is not a possible size"
    LEADER_NOT_AVAILABLE = 5, True, "the partition has no leader at the moment"
    NOT_LEADER_OR_FOLLOWER = 6, True, "the broker is not the replica that this request needs"
    REQUEST_TIMED_OUT = 7, True, "the request was not finished in time; it may still have happened"
    BROKER_NOT_AVAILABLE = 8, False, "the broker cannot be reached"
    REPLICA_NOT_AVAILABLE = 9, True, "the broker has no usable replica of the partition"
    MESSAGE_TOO_LARGE = 10, False, "a record batch is larger than the topic allows"
    STALE_CONTROLLER_EPOCH = 11, False, "the request comes from a controller that was replaced"
    OFFSET_METADATA_TOO_LARGE = 12, False, "the text beside a committed offset is too long"
    NETWORK_EXCEPTION = 13, True, "the connection closed before the answer came"
    COORDINATOR_LOAD_IN_PROGRESS = 14, True, "the coordinator is still reading its state"
    COORDINATOR_NOT_AVAILABLE = 15, True, "no coordinator is available at the moment"
    NOT_COORDINATOR = 16, True, "the broker does not coordinate this group or transaction"
    INVALID_TOPIC_EXCEPTION = 17, False, "the topic's name is not allowed, or the topic is internal"
    RECORD_LIST_TOO_LARGE = 18, False, "a record batch is larger than a segment of the log"
    NOT_ENOUGH_REPLICAS = 19, True, "too few replicas are in sync; nothing was written"
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, True, "written, but too few replicas are in sync now"
    INVALID_REQUIRED_ACKS = 21, False, "acks is none of -1, 0 and 1"
    ILLEGAL_GENERATION = 22, False, "the generation is not the group's current one"
    INCONSISTENT_GROUP_PROTOCOL = 23, False, "the member shares no protocol with its group"
    INVALID_GROUP_ID = 24, False, "the group id is not allowed"
    UNKNOWN_MEMBER_ID = 25, False, "the group has no such member"
    INVALID_SESSION_TIMEOUT = 26, False, "the session timeout is outside the broker's bounds"
    REBALANCE_IN_PROGRESS = 27, False, "the group is rebalancing; the member has to join again"
    INVALID_COMMIT_OFFSET_SIZE = 28, False, "the offsets to commit do not fit into one record batch"
    TOPIC_AUTHORIZATION_FAILED = 29, False, "no permission for this topic"
    GROUP_AUTHORIZATION_FAILED = 30, False, "no permission for this group"
    CLUSTER_AUTHORIZATION_FAILED = 31, False, "no permission for this operation on the cluster"
    INVALID_TIMESTAMP = 32, False, "a record's timestamp is too far from the broker's time"
    UNSUPPORTED_SASL_MECHANISM = 33, False, "the broker does not offer this SASL mechanism"
    ILLEGAL_SASL_STATE = 34, False, "the request is out of turn in the SASL exchange"
    UNSUPPORTED_VERSION = 35, False, "the other side does not serve this version of the API"
    TOPIC_ALREADY_EXISTS = 36, False, "a topic of this name exists already"
    INVALID_PARTITIONS = 37, False, "this number of partitions is not possible"
    INVALID_REPLICATION_FACTOR = 38, False, "below one replica, or more replicas than brokers"
    INVALID_REPLICA_ASSIGNMENT = 39, False, "the replicas are not assigned in a possible way"
    INVALID_CONFIG = 40, False, "a config option has no such name or cannot have this value"
    NOT_CONTROLLER = 41, True, "the node is not the active controller"
    INVALID_REQUEST = 42, False, "the request contradicts itself or the protocol"
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, False, "the log's record format cannot do this"
    POLICY_VIOLATION = 44, False, "a policy of this cluster forbids the request"
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, False, "a batch of this producer before this one is missing"
    DUPLICATE_SEQUENCE_NUMBER = 46, False, "this batch was written before"
    INVALID_PRODUCER_EPOCH = 47, False, "a newer instance of this producer has written already"
    INVALID_TXN_STATE = 48, False, "the transaction's state does not allow this operation"
    INVALID_PRODUCER_ID_MAPPING = 49, False, "the transactional id has another producer id now"
    INVALID_TRANSACTION_TIMEOUT = 50, False, "the transaction timeout is above the broker's limit"
    CONCURRENT_TRANSACTIONS = 51, True, "the previous transaction of this producer is still ending"
    TRANSACTION_COORDINATOR_FENCED = 52, False, "the transaction coordinator was replaced"
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, False, "no permission for this transactional id"
    SECURITY_DISABLED = 54, False, "the cluster runs without the security feature asked for"
    OPERATION_NOT_ATTEMPTED = 55, False, "not tried, because another part of the request failed"
    KAFKA_STORAGE_ERROR = 56, True, "the broker cannot read or write the partition's files"
    LOG_DIR_NOT_FOUND = 57, False, "the broker has no such data directory"
    SASL_AUTHENTICATION_FAILED = 58, False, "the credentials were refused"
    UNKNOWN_PRODUCER_ID = 59, False, "the broker remembers nothing of this producer id"
    REASSIGNMENT_IN_PROGRESS = 60, False, "the partition's replicas are being moved already"
    DELEGATION_TOKEN_AUTH_DISABLED = 61, False, "delegation tokens are switched off"
    DELEGATION_TOKEN_NOT_FOUND = 62, False, "there is no such delegation token"
    DELEGATION_TOKEN_OWNER_MISMATCH = 63, False, "the token belongs to somebody else"
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64, False, "no tokens are given on such a connection"
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65, False, "no permission for this delegation token"
    DELEGATION_TOKEN_EXPIRED = 66, False, "the delegation token has expired"
    INVALID_PRINCIPAL_TYPE = 67, False, "this kind of principal is not supported"
    NON_EMPTY_GROUP = 68, False, "the group still has members"
    GROUP_ID_NOT_FOUND = 69, False, "there is no such group"
    FETCH_SESSION_ID_NOT_FOUND = 70, True, "the broker has dropped this fetch session"
    INVALID_FETCH_SESSION_EPOCH = 71, True, "the fetch session expected another epoch"
    LISTENER_NOT_FOUND = 72, True, "the leader has no listener like the one that was asked"
    TOPIC_DELETION_DISABLED = 73, False, "the cluster does not delete topics"
    FENCED_LEADER_EPOCH = 74, True, "the request knows an older leader than the broker does"
    UNKNOWN_LEADER_EPOCH = 75, True, "the request knows a newer leader than the broker does"
    UNSUPPORTED_COMPRESSION_TYPE = 76, False, "the batch is compressed in a way unknown here"
    STALE_BROKER_EPOCH = 77, False, "the broker has registered again since this request"
    OFFSET_NOT_AVAILABLE = 78, True, "a new leader cannot vouch for its high watermark yet"
    MEMBER_ID_REQUIRED = 79, False, "join once more with the member id from this answer"
    PREFERRED_LEADER_NOT_AVAILABLE = 80, True, "the preferred leader cannot lead now"
    GROUP_MAX_SIZE_REACHED = 81, False, "the group has as many members as it may have"
    FENCED_INSTANCE_ID = 82, False, "another member has taken this group.instance.id"
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, True, "no replica that may lead is available"
    ELECTION_NOT_NEEDED = 84, True, "the partition has the right leader already"
    NO_REASSIGNMENT_IN_PROGRESS = 85, False, "no replicas of the partition are being moved"
    GROUP_SUBSCRIBED_TO_TOPIC = 86, False, "the group reads this topic, so its offsets must stay"
    INVALID_RECORD = 87, False, "a record breaks a rule of the topic or of the format"
    UNSTABLE_OFFSET_COMMIT = 88, True, "a pending transaction may still change these offsets"
    THROTTLING_QUOTA_EXCEEDED = 89, True, "the request is over its quota"
    PRODUCER_FENCED = 90, False, "a newer producer uses this transactional id"
    RESOURCE_NOT_FOUND = 91, False, "the request names something that does not exist"
    DUPLICATE_RESOURCE = 92, False, "the request names the same thing twice"
    UNACCEPTABLE_CREDENTIAL = 93, False, "the new credential is too weak or malformed"
    INCONSISTENT_VOTER_SET = 94, False, "the two nodes disagree on who votes"
    INVALID_UPDATE_VERSION = 95, False, "the update has an impossible version"
    FEATURE_UPDATE_FAILED = 96, False, "the feature's level could not be changed"
    PRINCIPAL_DESERIALIZATION_FAILURE = 97, False, "a forwarded request has no readable principal"
    SNAPSHOT_NOT_FOUND = 98, False, "there is no such snapshot"
    POSITION_OUT_OF_RANGE = 99, False, "the position lies outside the snapshot"
    UNKNOWN_TOPIC_ID = 100, True, "the broker knows no topic with this id"
    DUPLICATE_BROKER_REGISTRATION = 101, False, "another running broker has this id"
    BROKER_ID_NOT_REGISTERED = 102, False, "no broker has registered with this id"
    INCONSISTENT_TOPIC_ID = 103, True, "the partition on disk belongs to another topic id"
    INCONSISTENT_CLUSTER_ID = 104, False, "the request is meant for another cluster"
    TRANSACTIONAL_ID_NOT_FOUND = 105, False, "there is no such transactional id"
    FETCH_SESSION_TOPIC_ID_ERROR = 106, True, "a fetch session mixes topic names and topic ids"
    INELIGIBLE_REPLICA = 107, False, "a replica may not enter the in-sync set"
    NEW_LEADER_ELECTED = 108, False, "the change was made and has moved the leader"
    OFFSET_MOVED_TO_TIERED_STORAGE = 109, False, "the offset lies in tiered storage now"
    FENCED_MEMBER_EPOCH = 110, False, "the member is out of the group and has to join anew"
    UNRELEASED_INSTANCE_ID = 111, False, "the member with this instance id has not left yet"
    UNSUPPORTED_ASSIGNOR = 112, False, "the group does not support this assignor"
    STALE_MEMBER_EPOCH = 113, False, "the member has a newer epoch; its heartbeat will tell"
    MISMATCHED_ENDPOINT_TYPE = 114, False, "a broker's request reached a controller, or vice versa"
    UNSUPPORTED_ENDPOINT_TYPE = 115, False, "this kind of endpoint is not supported"
    UNKNOWN_CONTROLLER_ID = 116, False, "there is no controller with this id"
    UNKNOWN_SUBSCRIPTION_ID = 117, False, "the telemetry subscription is unknown or old"
    TELEMETRY_TOO_LARGE = 118, False, "the telemetry is larger than the broker takes"
    INVALID_REGISTRATION = 119, False, "the controller does not accept this registration"
    TRANSACTION_ABORTABLE = 120, False, "the transaction failed; abort it and begin another"
    INVALID_RECORD_STATE = 121, False, "the record cannot be acknowledged in its state"
    SHARE_SESSION_NOT_FOUND = 122, True, "the broker has dropped this share session"
    INVALID_SHARE_SESSION_EPOCH = 123, True, "the share session expected another epoch"
    FENCED_STATE_EPOCH = 124, False, "the share group's state has another epoch"
    INVALID_VOTER_KEY = 125, False, "the voter's id and directory do not match this node"
    DUPLICATE_VOTER = 126, False, "the node is a voter already"
    VOTER_NOT_FOUND = 127, False, "the node is not a voter"
    INVALID_REGULAR_EXPRESSION = 128, False, "the regular expression cannot be read"
    REBOOTSTRAP_REQUIRED = 129, False, "the client reached the wrong cluster or node; start over"
    STREAMS_INVALID_TOPOLOGY = 130, False, "the topology of the streams group is not valid"
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131, False, "the topology's epoch is not valid"
    STREAMS_TOPOLOGY_FENCED = 132, False, "the group has a newer topology"
    SHARE_SESSION_LIMIT_REACHED = 133, True, "the broker holds as many share sessions as it may"


class KafkaError(Exception):
    """An error that a Kafka node answered; its class says which, its message says where.

    Raise and catch the subclasses (`errors.NotCoordinator`); catch this one for all of them.
    """

    code: ErrorCode = ErrorCode.UNKNOWN_SERVER_ERROR

    def __init__(self, message: str | None = None) -> None:
        """Take the sentence for the user; without one the table's message stands."""
        super().__init__(message or self.code.message)

    @property
    def name(self) -> str:
        """Kafka's name of the code, such as `UNKNOWN_TOPIC_OR_PARTITION`."""
        return self.code.name

    @property
    def retriable(self) -> bool:
        """Whether the same request may succeed later, unchanged."""
        return self.code.retriable

    @staticmethod
    def of(code: int, message: str | None = None) -> "KafkaError":
        """Return the exception for a code from the wire; raises ValueError for NONE.

        A code that Kafka added after this table was written becomes UNKNOWN_SERVER_ERROR, and its
        number stands in the message.
        """
        try:
            known = ErrorCode(code)
        except ValueError:
            known = ErrorCode.UNKNOWN_SERVER_ERROR
            unknown = f"error code {code}, which this version does not know"
            message = f"{unknown}: {message}" if message else unknown
        return error_class(known)(message)


@functools.cache
def error_class(code: ErrorCode) -> type[KafkaError]:
    """Return the one subclass of KafkaError for `code`; raises ValueError for NONE."""
    if code is ErrorCode.NONE:
        raise ValueError("NONE is the absence of an error and has no exception")
    name = code.name.title().replace("_", "")
    return type(
        name, (KafkaError,), {"code": code, "__doc__": code.message, "__module__": __name__}
    )


def __getattr__(name: str) -> type[KafkaError]:
    """Find a subclass by its name, such as `errors.NotCoordinator` (PEP 562)."""
    for code in ErrorCode:
        if code is not ErrorCode.NONE and code.name.title().replace("_", "") == name:
            return error_class(code)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
