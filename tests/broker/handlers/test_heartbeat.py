"""Heartbeat over a real connection."""

import pytest

from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode
from .group_member import RawMember


@pytest.mark.parametrize("version", range(5))
async def test_a_member_of_a_stable_group_may_go_on(node: ServedNode, version: int) -> None:
    member = await RawMember.of(node)
    await member.settle()
    assert await member.heartbeat(version) == ErrorCode.NONE


async def test_a_stranger_is_told_so(node: ServedNode) -> None:
    member = await RawMember.of(node)
    assert await member.heartbeat() == ErrorCode.UNKNOWN_MEMBER_ID
    await member.settle()
    member.generation += 1
    assert await member.heartbeat() == ErrorCode.ILLEGAL_GENERATION
