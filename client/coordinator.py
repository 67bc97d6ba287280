"""The broker that coordinates a group: found by asking, forgotten when it turns out to be another.

A request to the coordinator is asked again while its answer is one of these, or none came:

    NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE    the group has moved: find it anew
    COORDINATOR_LOAD_IN_PROGRESS                  it is there and reads its state: wait a little
    UNSTABLE_OFFSET_COMMIT                        a transaction holds an offset back: likewise
    no connection, a broken one, or no answer     both of it

Every request asked in this way may be asked twice: commits, questions and deletions mean the same
the second time. Joining a group does not, and asks `find` and then the broker itself.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from ..protocol.api.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ..protocol.errors import ErrorCode, KafkaError
from .errors import KafkaTimeout
from .network import ANY_NODE, Network

T = TypeVar("T")

MOVED: Final = frozenset({ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE})
BUSY: Final = frozenset({ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.UNSTABLE_OFFSET_COMMIT})
NOT_YET: Final = MOVED | BUSY

CONNECT_MS: Final = 1000
"""How long a coordinator is waited for that cannot be reached: then it may be another."""

FIRST_VERSION_OF_MANY_KEYS: Final = 4


class Coordinator:
    """The coordinator of the group `group_id`."""

    def __init__(self, network: Network, group_id: str) -> None:
        """Nothing is asked yet."""
        self.group_id = group_id
        self._network = network
        self._node_id: int | None = None

    @property
    def node_id(self) -> int | None:
        """The broker that was found last, if it has not been forgotten."""
        return self._node_id if self._node_id in self._network.metadata.brokers else None

    def forget(self) -> None:
        """The broker is not the coordinator any more, or cannot be reached: look again."""
        self._node_id = None
        self._network.request_refresh()

    async def find(self, timeout_ms: int) -> int:
        """The coordinator's node id; raises KafkaTimeout, or an error that no waiting can mend."""
        deadline_ms = self._network.now_ms() + timeout_ms
        problem = "no broker answered"
        while (node_id := self.node_id) is None:
            left_ms = deadline_ms - self._network.now_ms()
            if left_ms <= 0:
                raise KafkaTimeout(
                    f"no coordinator of group {self.group_id!r} within {timeout_ms} ms: {problem}"
                )
            try:
                problem = await self._find_once(self._left_ms(deadline_ms))
            except KafkaError as error:
                if not error.retriable:
                    raise
                problem = str(error)
            if self.node_id is None:
                await self._pause(deadline_ms)
        return node_id

    async def request(
        self,
        request: object,
        response_class: type[T],
        timeout_ms: int,
        code_of: Callable[[T], int],
        max_version: int | None = None,
    ) -> T:
        """Ask the coordinator until it answers; `code_of` says where its error stands.

        `request` may be a function that makes it for a version, where versions differ in form.
        Any other error code than those above is an answer, for the caller to look at. Raises
        KafkaTimeout, or an error that no waiting can mend.
        """
        deadline_ms = self._network.now_ms() + timeout_ms
        while True:
            try:
                left_ms = self._left_ms(deadline_ms)
                answer = await self._ask(request, response_class, left_ms, max_version)
                code = code_of(answer)
                if code not in NOT_YET:
                    return answer
                error = KafkaError.of(code)
            except KafkaError as failure:
                if not failure.retriable:
                    raise
                error = failure
            if error.code not in BUSY:
                self.forget()
            if self._network.now_ms() >= deadline_ms:
                raise KafkaTimeout(
                    f"group {self.group_id!r} got no answer within {timeout_ms} ms: {error}"
                ) from error
            await self._pause(deadline_ms)

    async def _ask(
        self, request: object, response_class: type[T], timeout_ms: int, max_version: int | None
    ) -> T:
        """Ask the coordinator once."""
        deadline_ms = self._network.now_ms() + timeout_ms
        node_id = await self.find(timeout_ms)
        left_ms = self._left_ms(deadline_ms)
        connection = await self._network.connection(node_id, min(left_ms, CONNECT_MS))
        version = connection.version_of(response_class, max_version)
        asked = request(version) if callable(request) else request
        left_ms = self._left_ms(deadline_ms)
        return await connection.request(asked, response_class, left_ms, version)

    def _left_ms(self, deadline_ms: int) -> int:
        """How long to wait for one answer: a broker that is silent must not use up all the time."""
        left_ms = max(deadline_ms - self._network.now_ms(), 1)
        return min(left_ms, self._network.settings.request_timeout_ms)

    async def _find_once(self, timeout_ms: int) -> str:
        """Ask any broker once; returns what is in the way, if something is."""
        connection = await self._network.connection(ANY_NODE, timeout_ms)
        version = connection.version_of(FindCoordinatorRequest)
        request = FindCoordinatorRequest()
        if version < FIRST_VERSION_OF_MANY_KEYS:
            request.key = self.group_id
        else:
            request.coordinator_keys = [self.group_id]
        response = await connection.request(request, FindCoordinatorResponse, timeout_ms, version)
        for found in response.coordinators or [response]:
            if found.error_code:
                error = KafkaError.of(found.error_code, found.error_message or None)
                if error.code not in NOT_YET:
                    raise error
                return str(error)
            self._node_id = found.node_id
        if self.node_id is None:
            self._network.request_refresh()
        return f"broker {self._node_id} is not known yet"

    async def _pause(self, deadline_ms: int) -> None:
        pause_ms = self._network.settings.retry_backoff_ms
        await self._network.changed.wait(min(deadline_ms, self._network.now_ms() + pause_ms))
