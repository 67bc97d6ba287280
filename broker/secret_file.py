"""The file with the cluster's secret, read once when a node starts.

What cannot be used is refused before anything is opened: a node that went on without its secret
would answer anybody.
"""

import logging
import stat
from pathlib import Path

from .controller.greeting import ClusterSecret
from .options import ConfigError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

log = logging.getLogger("minikafka.node")


def read_secret(path: str) -> ClusterSecret:
    """The secret in this file, without the white space around it; raises ConfigError."""
    file = Path(path)
    try:
        content, mode = file.read_bytes(), file.stat().st_mode
        secret = ClusterSecret(content)
    except OSError as error:
        raise ConfigError(f"--cluster-secret-file {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"--cluster-secret-file {path}: {error}") from None
    if mode & _OTHERS:
        log.warning("other users may use %s, the cluster's secret: chmod 600 it", path)
    return secret
