"""Quorums of real controllers over a network that fails: nothing that was decided is lost."""

import os

import pytest

from minikafka.broker.controller.raft import Raft

from .quorum_world import QuorumWorld

SEEDS = int(os.environ.get("MINIKAFKA_QUORUM_SEEDS", "10"))


def test_no_seed_finds_anything() -> None:
    found: list[str] = []
    faults = leaders = decided = 0
    for seed in range(SEEDS):
        world = QuorumWorld(seed)
        found += [f"seed {seed}: {violation}" for violation in world.run()]
        faults += world.nemesis.fired.total()
        leaders += world.watch.leader_changes
        decided += sum(each.is_done for each in world.submitted)
    print(f"\n{SEEDS} quorums: {faults} faults, {leaders} leaders, {decided} commands decided")
    assert found == []
    assert leaders > SEEDS
    assert decided > 50 * SEEDS


def test_the_same_seed_does_the_same_to_the_byte() -> None:
    def run() -> tuple[str, int]:
        world = QuorumWorld(3)
        world.run()
        return world.loop.trace.hash, world.loop.turns

    assert run() == run()


def test_half_of_the_voters_are_no_majority_and_the_watch_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The positive control."""
    half = property(lambda raft: max(len(raft.voters) // 2, 1))
    monkeypatch.setattr(Raft, "_majority", half)
    assert any("same:" in violation for violation in QuorumWorld(1).run())
