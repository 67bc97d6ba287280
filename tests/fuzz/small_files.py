"""The files beside the logs: each is read, or CorruptCheckpoint says that it cannot be."""

from minikafka.broker.log import checkpoints, last_run
from minikafka.broker.log.checkpoints import CorruptCheckpoint

from .choices import Choices
from .memory_files import MemoryFiles

_LAST_RUN = f"data/{last_run.LAST_RUN}"


def small_files(data: bytes) -> None:
    """What is read out of a file says the same when it is written and read again."""
    content = Choices(data).rest()
    _offsets(content)
    _epochs(content)
    _owners(content)
    epoch = checkpoints.decode_clean_shutdown(content)
    assert epoch is None or isinstance(epoch, int)
    run = last_run.load(MemoryFiles({_LAST_RUN: content}), "data")
    assert isinstance(run.flush, str)
    assert isinstance(run.boot_id, str)


def _offsets(content: bytes) -> None:
    try:
        offsets = checkpoints.decode_offsets(content)
    except CorruptCheckpoint:
        return
    assert checkpoints.decode_offsets(checkpoints.encode_offsets(offsets)) == offsets


def _epochs(content: bytes) -> None:
    try:
        epochs = checkpoints.decode_leader_epochs(content)
    except CorruptCheckpoint:
        return
    assert checkpoints.decode_leader_epochs(checkpoints.encode_leader_epochs(epochs)) == epochs


def _owners(content: bytes) -> None:
    for decode, encode in (
        (checkpoints.decode_meta_properties, checkpoints.encode_meta_properties),
        (checkpoints.decode_partition_metadata, checkpoints.encode_partition_metadata),
    ):
        try:
            found = decode(content)
        except CorruptCheckpoint:
            continue
        assert decode(encode(found)) == found
