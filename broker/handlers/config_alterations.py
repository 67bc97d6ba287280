"""What AlterConfigs and IncrementalAlterConfigs have in common: all but their messages."""

import logging
from collections import Counter
from collections.abc import Sequence

from ...protocol.errors import ErrorCode
from ..config import STORED_ONLY
from ..controller.decide import Decision
from ..controller.decide_configs import Alteration, alter_configs
from ..controller.image import Image
from .context import Context

log = logging.getLogger("minikafka.configs")


async def alter_all(
    alterations: Sequence[Alteration], validate_only: bool, context: Context
) -> list[Decision]:
    """One decision per resource, which succeeds or fails alone; in force when it returns."""
    count = Counter((each.resource_type, each.resource_name) for each in alterations)
    decisions: list[Decision] = []
    for alteration in alterations:
        if count[alteration.resource_type, alteration.resource_name] > 1:
            message = "a resource is named twice in one request"
            decisions.append(Decision([], ErrorCode.INVALID_REQUEST, message))
        else:
            decisions.append(await _alter(alteration, validate_only, context))
    return decisions


async def _alter(alteration: Alteration, validate_only: bool, context: Context) -> Decision:
    def decide(image: Image) -> Decision:
        decision = alter_configs(image, alteration)
        return decision.without_records() if validate_only else decision

    decision = await context.controller.submit(decide)
    for record in decision.records:  # Those of partitions, whose ELR is emptied, have no options.
        for name in sorted(STORED_ONLY & set(record.get("changes", ()))):
            log.warning("option %s is kept, but nothing acts on it yet", name)
    return decision
