"""`quorum-state`: the epoch of a voter, and whom it gave its vote in that epoch.

    {"data_version":1,"leaderEpoch":4,"votedId":2,"votedDirectoryId":"…"}        votedId -1: nobody

The keys are those of Kafka's file of that name. It is replaced at one stroke, so it is whole after
any crash; one that is not as described raises CorruptCheckpoint, for a voter that does not know
whom it voted for could vote twice.
"""

import json
from typing import cast

from ..log import checkpoints
from ..log.checkpoints import CorruptCheckpoint
from ..log.files import Files
from .raft_messages import NOBODY, Vote, Voter

QUORUM_STATE = "quorum-state"
VERSION = 1


def load(files: Files, data_dir: str) -> Vote:
    """What a voter remembers; nothing if it never voted."""
    return checkpoints.load(files, f"{data_dir}/{QUORUM_STATE}", decode) or Vote()


async def save(files: Files, data_dir: str, vote: Vote) -> None:
    """Replace the file, durably, without holding up the event loop."""
    path = f"{data_dir}/{QUORUM_STATE}"
    temporary = files.open(f"{path}.tmp", create=True)
    try:
        temporary.truncate(0)
        temporary.append([encode(vote)])
        await files.flush([temporary])
    finally:
        temporary.close()
    files.rename(f"{path}.tmp", path)
    await files.flush([data_dir])


def encode(vote: Vote) -> bytes:
    """The content of the file."""
    candidate = vote.candidate or Voter(NOBODY, "")
    content = {
        "data_version": VERSION,
        "leaderEpoch": vote.epoch,
        "votedId": candidate.node_id,
        "votedDirectoryId": candidate.directory_id,
    }
    return json.dumps(content, separators=(",", ":")).encode()


def decode(data: bytes) -> Vote:
    """The vote in the content of a file; raises CorruptCheckpoint."""
    try:
        content = cast(object, json.loads(data))
    except ValueError:
        raise CorruptCheckpoint("it is no JSON") from None
    values = cast(dict[str, object], content) if isinstance(content, dict) else {}
    if values.get("data_version") != VERSION:
        version = values.get("data_version")
        raise CorruptCheckpoint(f"it says version {version!r}, and this release knows {VERSION}")
    match values:
        case {"leaderEpoch": int(epoch), "votedId": int(node_id), "votedDirectoryId": str(disk)}:
            if epoch >= 0 and not isinstance(epoch, bool):
                return Vote(epoch, Voter(node_id, disk) if node_id != NOBODY else None)
        case _:
            pass
    raise CorruptCheckpoint("an epoch or a vote is missing, or none that can be")
