"""Which topics a consumer has subscribed to: by name, or all that match a pattern. PURE."""

import re
from collections.abc import Iterable, Mapping

from .metadata import TopicInfo, TopicPartition


class TopicSelection:
    """Topics by name, or by a pattern that the whole name has to match.

    A pattern never selects the cluster's internal topics; topics that appear later are selected
    when the client hears of them (metadata_max_age_ms).
    """

    def __init__(self, topics: Iterable[str] = (), pattern: str | None = None) -> None:
        """Raises ValueError for both of them, or a pattern that is none."""
        if isinstance(topics, str):
            raise ValueError(f"topics={topics!r} is one text: give a list of topics")
        self.topics = tuple(dict.fromkeys(topics))
        if self.topics and pattern is not None:
            raise ValueError("subscribe to topics or to a pattern, not both")
        try:
            self.pattern = None if pattern is None else re.compile(pattern)
        except re.error as error:
            raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from error

    def select(self, known: Mapping[str, TopicInfo]) -> tuple[str, ...]:
        """The names, in order; of a pattern those that are known."""
        if self.pattern is None:
            return tuple(sorted(self.topics))
        return tuple(
            sorted(
                topic.name
                for topic in known.values()
                if not topic.is_internal and self.pattern.fullmatch(topic.name)
            )
        )

    def partitions(self, known: Mapping[str, TopicInfo]) -> list[TopicPartition]:
        """Every partition of the selected topics that are known."""
        return [
            TopicPartition(name, each.index)
            for name in self.select(known)
            if name in known
            for each in known[name].partitions
        ]
