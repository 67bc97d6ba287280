"""Topics that come into being because somebody asks for them, by the active controller's hand."""

from collections.abc import Sequence

from ...protocol.control import AutoCreateTopics, CreateOffsetsTopic, Done
from ...protocol.errors import ErrorCode
from ..controller.decide import NewTopic, create_offsets_topic, create_topic
from ..controller.service import ControllerUnavailable
from .context import Context, Exchange

ASK_TIMEOUT_MS = 5_000


async def ensure_offsets_topic(context: Context) -> bool:
    """Have `__consumer_offsets` created; False if that cannot be done yet."""
    controller = context.controller
    if not controller.is_active:
        return await _ask(CreateOffsetsTopic(), context)
    decision = await controller.submit(
        lambda image: create_offsets_topic(image, context.config, controller.random)
    )
    return decision.error_code in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS)


async def auto_create(names: Sequence[str], exchange: Exchange, context: Context) -> None:
    """Create topics that a client asks for, as far as that can be done and it still waits."""
    controller = context.controller
    if not controller.is_active:
        await _ask(AutoCreateTopics(tuple(names)), context)
        return
    for name in names:
        if exchange.is_lost:
            break
        new = NewTopic(name)
        await controller.submit(
            lambda image, new=new: create_topic(image, context.config, new, controller.random)
        )


async def _ask(question: AutoCreateTopics | CreateOffsetsTopic, context: Context) -> bool:
    """Whether the active controller has done it, and this broker has applied it."""
    controller = context.controller
    try:
        answer = await controller.ask(question, ASK_TIMEOUT_MS)
    except ControllerUnavailable:
        return False
    if not isinstance(answer, Done):
        return False
    await controller.wait_until_applied(answer.offset)
    return True
