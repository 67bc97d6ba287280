"""The targets: functions that take any bytes and fail when a promise breaks.

Hypothesis, the seeded runner and atheris all call them; a corpus folder has a target's name.
"""

from collections.abc import Callable

from . import (
    batches,
    configuration,
    control,
    conversation,
    decompression,
    frames,
    log_files,
    messages,
    metadata_log,
    small_files,
)

Target = Callable[[bytes], None]

_FUNCTIONS: tuple[Target, ...] = (
    frames.frames,
    frames.request_header,
    messages.requests,
    messages.responses,
    messages.written_requests,
    messages.written_responses,
    batches.batches,
    batches.records,
    decompression.gzip,
    decompression.snappy,
    decompression.lz4,
    decompression.zstd,
    log_files.segments,
    log_files.indexes,
    log_files.snapshots,
    small_files.small_files,
    metadata_log.metadata_log,
    configuration.options,
    configuration.topics,
    configuration.addresses,
    control.control,
    conversation.conversation,
)
TARGETS: dict[str, Target] = {function.__name__: function for function in _FUNCTIONS}
