"""A process takes the descriptors that it may have, and keeps some for files."""

import subprocess
import sys

SCRIPT = """
import resource
from minikafka.broker import descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 400))
assert descriptors.first_refused_descriptor() == 75
descriptors.raise_limit()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (400, 400)
assert descriptors.first_refused_descriptor() == 300
"""


def test_the_soft_limit_is_raised_and_a_quarter_is_kept_for_files() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
