"""quorum-state: what a voter remembers of its vote, or one clear error."""

from pathlib import Path

import pytest

from minikafka.broker.controller.quorum_state import QUORUM_STATE, decode, encode, load, save
from minikafka.broker.controller.raft_messages import Vote, Voter
from minikafka.broker.log.checkpoints import CorruptCheckpoint
from minikafka.broker.log.files import Files


@pytest.mark.parametrize("vote", [Vote(), Vote(4), Vote(2**31, Voter(2, "disk"))])
async def test_a_vote_is_read_as_it_was_saved(tmp_path: Path, vote: Vote) -> None:
    await save(Files(), str(tmp_path), Vote(1, Voter(1, "disk")))
    await save(Files(), str(tmp_path), vote)
    assert load(Files(), str(tmp_path)) == vote
    assert [each.name for each in tmp_path.iterdir()] == [QUORUM_STATE]


def test_who_never_voted_has_no_file(tmp_path: Path) -> None:
    assert load(Files(), str(tmp_path)) == Vote()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"{}",
        encode(Vote(1)).replace(b'"data_version":1', b'"data_version":2'),
        encode(Vote(1)).replace(b'"leaderEpoch":1', b'"leaderEpoch":"1"'),
        encode(Vote(1)).replace(b'"votedId":-1,', b""),
        encode(Vote(1)).replace(b'"leaderEpoch":1', b'"leaderEpoch":-1'),
        encode(Vote(1)).replace(b'"leaderEpoch":1', b'"leaderEpoch":true'),
    ],
)
def test_a_file_that_is_not_as_described_is_an_error(data: bytes) -> None:
    with pytest.raises(CorruptCheckpoint):
        decode(data)
