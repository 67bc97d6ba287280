"""What a user may say about being a member, and what is refused before anything is sent."""

from typing import Any

import pytest

from minikafka.client.member import MemberSettings


def settings(**options: Any) -> MemberSettings:
    """Settings that are in order but for the options."""
    defaults: dict[str, Any] = {
        "group_id": "g",
        "instance_id": None,
        "session_timeout_ms": 100,
        "heartbeat_interval_ms": 10,
        "max_poll_interval_ms": 500,
        "retry_backoff_ms": 5,
    }
    return MemberSettings(**defaults | options)


def test_no_group_is_a_choice_and_an_empty_name_a_mistake():
    assert settings(group_id=None).group_id is None
    with pytest.raises(ValueError, match="group_id is empty: give the group a name, or None"):
        settings(group_id="")


def test_a_static_member_is_a_member_of_a_group():
    assert settings(instance_id="till-1").instance_id == "till-1"
    with pytest.raises(ValueError, match=r"group_instance_id .* give group_id too"):
        settings(group_id=None, instance_id="till-1")


@pytest.mark.parametrize("heartbeat_ms", [100, 101])
def test_heartbeats_come_more_often_than_sessions_end(heartbeat_ms: int):
    with pytest.raises(ValueError, match="is not below session_timeout_ms=100"):
        settings(heartbeat_interval_ms=heartbeat_ms)
