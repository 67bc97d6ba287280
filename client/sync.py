"""The blocking face: the same clients for scripts, notebooks and threads.

    from minikafka.sync import AdminClient, Cluster, Consumer, Producer

Each class stands for the asyncio one of the same name, with the same methods and parameters, and
runs it in the background loop: `with` for `async with`, `for` for `async for`, no `await`. What is
not the same:

- `Producer.send` returns a concurrent.futures.Future. It cannot be cancelled. A record that fails
  is also logged, since a script may never look at its future.
- Each call goes to another thread and back, a tenth of a millisecond or more: `send_many` and
  `getmany` go there once for many records.
- Every class may be used from several threads; a consumer hands each record to one of them.
- Rebalance listeners run in a thread of their own, and may call the consumer as they like.
- Serializers, deserializers, partitioners and callbacks of futures run in the loop's thread: a
  blocking call from there raises RuntimeError, since it would wait for itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, Final, Protocol, Self, TypeVar

from . import admin, consumer, producer
from .background_loop import background_loop
from .blocking import blocking, closing, in_loop, same_options, starting
from .java_names import options_of
from .metadata import TopicPartition
from .rebalance_listener import RebalanceListener
from .record import ConsumerRecord, RecordMetadata
from .sync_cluster import Cluster

__all__ = ["AdminClient", "Cluster", "Consumer", "Producer"]

log = logging.getLogger(__name__)

FOR_EVER_MS: Final = 10**12

R = TypeVar("R", covariant=True)


class Sent(Protocol[R]):
    """What `send` of the asyncio producer returns, as far as it matters here."""

    def result(self) -> R:
        """Where the record is, or its error raised."""
        ...

    def exception(self) -> BaseException | None:
        """Why it failed."""
        ...

    def add_done_callback(self, callback: Callable[[Any], object], /) -> object:
        """Call this when it is over."""
        ...


def _for_any_thread(sent: Sent[R], report: Callable[[BaseException], None]) -> Future[R]:
    """A future of the same that any thread may wait for; `report` gets the error, if any."""
    result: Future[R] = Future()
    result.set_running_or_notify_cancel()

    def copy(_: object) -> None:
        error = sent.exception()
        if error is None:
            result.set_result(sent.result())
        else:
            report(error)
            result.set_exception(error)

    sent.add_done_callback(copy)
    return result


class Producer:
    """Writes records; one per program is enough, shared by all its threads."""

    @same_options(producer.Producer)
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.asyncio_client = producer.Producer(*args, **kwargs)
        self.background = background_loop()
        self._reported: BaseException | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """A producer with options by their Java names, as strings or typed; see java_names.

        Raises ValueError for an option that is unknown or not to be had here.
        """
        return cls(**options_of(cls, config))

    start = starting(producer.Producer.start)
    __enter__ = starting(producer.Producer.__aenter__)
    close = closing(producer.Producer.close)
    __exit__ = closing(producer.Producer.__aexit__)

    def send(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: producer.Headers | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Future[RecordMetadata]:
        """Put a record into the buffer and return the future of its place.

        Waits for room and for metadata of a new topic, `max_block_ms` at most, then KafkaTimeout.
        Raises at once what cannot be sent: MessageTooLarge, an unknown partition (ValueError).
        """

        async def send() -> Future[RecordMetadata]:
            sent = await self.asyncio_client.send(
                topic, value, key, headers, partition, timestamp_ms
            )
            return _for_any_thread(sent, self._report)

        return self.background.run(send())

    def send_many(
        self, topic: str, values: Iterable[Any], key: Any = None, partition: int | None = None
    ) -> list[Future[RecordMetadata]]:
        """Send many values in order; their futures, in order. Much faster than one by one."""

        async def send() -> list[Future[RecordMetadata]]:
            sent = await self.asyncio_client.send_many(topic, values, key, partition)
            return [_for_any_thread(each, self._report) for each in sent]

        return self.background.run(send())

    send_and_wait = blocking(producer.Producer.send_and_wait)
    flush = blocking(producer.Producer.flush)
    partitions_for = blocking(producer.Producer.partitions_for)

    def _report(self, error: BaseException) -> None:
        """Nobody may ever look at the futures; the records of a batch share one error."""
        if error is not self._reported:
            self._reported = error
            log.warning("records were not delivered: %s", error)


class _InThread(RebalanceListener):
    """A listener whose methods run in a thread, from which they may call the consumer."""

    def __init__(self, listener: RebalanceListener) -> None:
        self._listener = listener

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._call(self._listener.on_partitions_revoked, revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._call(self._listener.on_partitions_assigned, assigned)

    async def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
        await self._call(self._listener.on_partitions_lost, lost)

    async def _call(
        self,
        method: Callable[[set[TopicPartition]], Awaitable[None] | None],
        partitions: set[TopicPartition],
    ) -> None:
        result = await asyncio.to_thread(method, partitions)
        if result is not None:
            await result


_subscribe = in_loop(consumer.Consumer.subscribe)


class Consumer:
    """Reads records; a record goes to one of the threads that ask."""

    @same_options(consumer.Consumer)
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.asyncio_client = consumer.Consumer(*args, **kwargs)
        self.background = background_loop()

    @classmethod
    def from_config(cls, config: Mapping[str, object], *topics: str) -> Self:
        """A consumer with options by their Java names, as strings or typed; see java_names.

        Raises ValueError for an option that is unknown or not to be had here.
        """
        return cls(*topics, **options_of(cls, config))

    start = starting(consumer.Consumer.start)
    __enter__ = starting(consumer.Consumer.__aenter__)
    close = closing(consumer.Consumer.close)
    __exit__ = closing(consumer.Consumer.__aexit__)

    def __iter__(self) -> Iterator[ConsumerRecord]:
        """Every record, for ever, as `for record in consumer`; getmany is faster."""
        while True:
            yield self.background.run(self.asyncio_client.getone(timeout_ms=FOR_EVER_MS))

    getone = blocking(consumer.Consumer.getone)
    getmany = blocking(consumer.Consumer.getmany)

    def subscribe(
        self,
        topics: Iterable[str] = (),
        *,
        pattern: str | None = None,
        listener: RebalanceListener | None = None,
    ) -> None:
        """Read these topics, or all that match, instead of those before.

        In a group, the group deals out their partitions, and the listener hears of it in a thread
        of its own; without one all of them are read. What is assigned changes at the next poll.
        """
        in_thread = None if listener is None else _InThread(listener)
        _subscribe(self, topics, pattern=pattern, listener=in_thread)

    unsubscribe = blocking(consumer.Consumer.unsubscribe)
    subscription = in_loop(consumer.Consumer.subscription)
    commit = blocking(consumer.Consumer.commit)
    committed = blocking(consumer.Consumer.committed)
    assign = in_loop(consumer.Consumer.assign)
    assignment = in_loop(consumer.Consumer.assignment)
    position = blocking(consumer.Consumer.position)
    seek = in_loop(consumer.Consumer.seek)
    seek_to_beginning = blocking(consumer.Consumer.seek_to_beginning)
    seek_to_end = blocking(consumer.Consumer.seek_to_end)
    pause = in_loop(consumer.Consumer.pause)
    resume = in_loop(consumer.Consumer.resume)
    paused = in_loop(consumer.Consumer.paused)
    highwater = in_loop(consumer.Consumer.highwater)
    lag = in_loop(consumer.Consumer.lag)
    beginning_offsets = blocking(consumer.Consumer.beginning_offsets)
    end_offsets = blocking(consumer.Consumer.end_offsets)
    offsets_for_times = blocking(consumer.Consumer.offsets_for_times)
    partitions_for_topic = blocking(consumer.Consumer.partitions_for_topic)


class AdminClient:
    """Asks a cluster about itself and changes it."""

    @same_options(admin.AdminClient)
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.asyncio_client = admin.AdminClient(*args, **kwargs)
        self.background = background_loop()

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """An admin client with options by their Java names, as strings or typed; see java_names.

        Raises ValueError for an option that is unknown or not to be had here.
        """
        return cls(**options_of(cls, config))

    start = starting(admin.AdminClient.start)
    __enter__ = starting(admin.AdminClient.__aenter__)
    close = closing(admin.AdminClient.close)
    __exit__ = closing(admin.AdminClient.__aexit__)

    create_topics = blocking(admin.AdminClient.create_topics)
    create_partitions = blocking(admin.AdminClient.create_partitions)
    delete_topics = blocking(admin.AdminClient.delete_topics)
    delete_records = blocking(admin.AdminClient.delete_records)
    elect_leaders = blocking(admin.AdminClient.elect_leaders)
    alter_partition_reassignments = blocking(admin.AdminClient.alter_partition_reassignments)
    list_partition_reassignments = blocking(admin.AdminClient.list_partition_reassignments)
    describe_quorum = blocking(admin.AdminClient.describe_quorum)
    unregister_broker = blocking(admin.AdminClient.unregister_broker)
    describe_producers = blocking(admin.AdminClient.describe_producers)
    list_offsets = blocking(admin.AdminClient.list_offsets)
    list_topics = blocking(admin.AdminClient.list_topics)
    describe_topics = blocking(admin.AdminClient.describe_topics)
    describe_cluster = blocking(admin.AdminClient.describe_cluster)
    describe_configs = blocking(admin.AdminClient.describe_configs)
    alter_configs = blocking(admin.AdminClient.alter_configs)
    incremental_alter_configs = blocking(admin.AdminClient.incremental_alter_configs)
    list_config_resources = blocking(admin.AdminClient.list_config_resources)
    describe_log_dirs = blocking(admin.AdminClient.describe_log_dirs)
    list_groups = blocking(admin.AdminClient.list_groups)
    describe_groups = blocking(admin.AdminClient.describe_groups)
    delete_groups = blocking(admin.AdminClient.delete_groups)
    remove_group_members = blocking(admin.AdminClient.remove_group_members)
    list_group_offsets = blocking(admin.AdminClient.list_group_offsets)
    alter_group_offsets = blocking(admin.AdminClient.alter_group_offsets)
    delete_group_offsets = blocking(admin.AdminClient.delete_group_offsets)
