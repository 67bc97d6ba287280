"""ReadEvents: the committed records of the metadata log, from an offset on."""

from ...protocol.control import MAX_ELEMENTS, MAX_EVENT_BYTES, Event, Events, ReadEvents, Refused
from ..controller.metadata_log import unpack
from .context import ControlContext


def handle(request: ReadEvents, context: ControlContext) -> Events | Refused:
    """As many events as one answer may have; none when there are no more yet."""
    controller = context.controller
    end_offset = controller.committed_offset
    if not 0 <= request.from_offset <= end_offset:
        reason = f"the metadata log goes from offset 0 to {end_offset}"
        return Refused("OFFSET_OUT_OF_RANGE", f"no offset {request.from_offset}: {reason}")
    events: list[Event] = []
    size_bytes = 0
    for epoch, record in controller.committed(request.from_offset):
        size_bytes += len(record.value or b"")
        if events and (size_bytes > MAX_EVENT_BYTES or len(events) == MAX_ELEMENTS):
            break
        events.append(Event(record.offset, record.timestamp, epoch, dict(unpack(record))))
    return Events(end_offset, tuple(events))
