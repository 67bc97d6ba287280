"""What an error says of the operation that it ended. PURE.

    ok      it happened
    fail    it certainly did not happen, and never will
    info    nobody can know: it may have happened, or may still

Most checkers are wrong here. An answer that refuses is `fail` only if the record was refused before
it was appended, so everything that is not listed is `info`. NOT_LEADER_OR_FOLLOWER is not listed: a
leader also says it of a record that it has appended, when it loses the lead while the record waits
for its followers.
"""

from collections.abc import Iterable
from typing import Final, Literal

Outcome = Literal["ok", "fail", "info"]

REFUSED: Final = frozenset(
    {
        "NOT_ENOUGH_REPLICAS",
        "OUT_OF_ORDER_SEQUENCE_NUMBER",
        "INVALID_PRODUCER_EPOCH",
        "MESSAGE_TOO_LARGE",  # RecordTooLargeException in Java
        "RECORD_LIST_TOO_LARGE",
        "TOPIC_AUTHORIZATION_FAILED",
        "GROUP_AUTHORIZATION_FAILED",
        "CLUSTER_AUTHORIZATION_FAILED",
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        "CONNECTION_REFUSED",  # no code of Kafka's: nobody listened, so nothing was sent
    }
)
"""The errors, by Kafka's names, after which a record is certainly not in the log."""


def outcome_of(errors: Iterable[str | None]) -> Outcome:
    """The outcome of a client's whole retry loop, from the error of each attempt; None is an ack.

    Was it acknowledged, it happened. Else one attempt in doubt is enough to leave all in doubt,
    whatever the last one said.
    """
    attempts = list(errors)
    if None in attempts:
        return "ok"
    return "fail" if attempts and REFUSED.issuperset(attempts) else "info"


def outcome_of_abort(abort_error: str | None) -> Outcome:
    """The outcome of a transaction that was to be aborted: `fail` only if the abort was acked."""
    return "fail" if abort_error is None else "info"
