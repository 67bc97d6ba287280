"""A client at work, in a process of its own.

    parent  --argv: one JSON object-->  this process  --stdout: one JSON object-->  parent

The clocks run around the timed part only: connections, metadata and the first records are made
before.
"""

import json
import sys
from dataclasses import asdict

from .client_job import ClientJob, ClientOutcome


def main() -> int:
    """Do the job in argv, print its outcome, and return the exit status."""
    job = ClientJob(**json.loads(sys.argv[1]))
    outcome = ClientOutcome(records=job.records)
    # Each is imported where it is needed: a client's memory is to be its own.
    if job.client in ("minikafka", "aiokafka"):
        from .asyncio_clients import run
    else:
        from .blocking_clients import run
    run(job, outcome)
    print(json.dumps(asdict(outcome)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
