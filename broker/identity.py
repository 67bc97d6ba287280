"""Whose data directory this is: `meta.properties` names the node, its cluster, and its disk.

    a lone node      writes it when its cluster is created
    another          names its disk before it votes, and adds the cluster when it hears of it

The disk's name (its *directory id*) is how a voter that comes back with an empty directory is told
from the voter it was (KIP-853).
"""

from random import Random

from .controller.membership import ForeignDirectory
from .log import checkpoints
from .log.checkpoints import MetaProperties
from .log.files import Files

DIRECTORY_ID_BYTES = 16


class Identity:
    """What `meta.properties` of a data directory says, read when it is made."""

    def __init__(self, files: Files, data_dir: str, node_id: int) -> None:
        self._files = files
        self._path = f"{data_dir}/{checkpoints.META_PROPERTIES}"
        self._node_id = node_id
        self._saved = checkpoints.load(files, self._path, checkpoints.decode_meta_properties)
        if self._saved is not None and self._saved.node_id != node_id:
            raise ForeignDirectory(
                f"it belongs to node {self._saved.node_id}, this is node {node_id}: "
                "correct --node-id, or give this one another --data-dir"
            )

    @property
    def cluster_id(self) -> str:
        """Of which cluster it is; empty while that is not known."""
        return self._saved.cluster_id if self._saved is not None else ""

    def name_disk(self, random: Random) -> str:
        """The directory id, which is given and made durable if there is none."""
        if self._saved is None:
            self._save("", random.randbytes(DIRECTORY_ID_BYTES))
        return "" if self._saved is None else checkpoints.encode_uuid(self._saved.directory_id)

    def join(self, cluster_id: str, random: Random) -> None:
        """It is of this cluster from now on; ForeignDirectory if it was of another."""
        if self.cluster_id not in ("", cluster_id):
            raise ForeignDirectory(f"it is of cluster {self.cluster_id}, not of {cluster_id}")
        if self._saved is None:
            self._save(cluster_id, random.randbytes(DIRECTORY_ID_BYTES))
        elif not self.cluster_id:
            self._save(cluster_id, self._saved.directory_id)

    def _save(self, cluster_id: str, directory_id: bytes) -> None:
        self._saved = MetaProperties(cluster_id, self._node_id, directory_id)
        data = checkpoints.encode_meta_properties(self._saved)
        self._files.write_atomically(self._path, data)
