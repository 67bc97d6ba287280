"""Real nodes for tests: `minikafka serve` as a child process on a free port of 127.0.0.1."""

import os
import re
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

START_DEADLINE_S = 20.0
STOP_DEADLINE_S = 20.0
_READY = re.compile(r"minikafka node \d+ ready: clients 127\.0\.0\.1:(\d+)")


class NodeProcess:
    """One node; after the first start it keeps its port, so that clients find it again."""

    def __init__(self, data_dir: Path, *options: str, file_limit: int = 0) -> None:
        self.data_dir = data_dir
        self.options = options
        self._file_limit = file_limit
        self.port = 0
        self.log = ""
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def bootstrap(self) -> str:
        """HOST:PORT for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running node."""
        assert self._process is not None
        return self._process.pid

    def launch(self) -> subprocess.Popen[str]:
        """Begin to start, and return without waiting."""
        command = [sys.executable, "-m", "minikafka.cli.main", "serve", "--node-id", "1"]
        command += ["--listen", f"127.0.0.1:{self.port}", "--controller-listen", "127.0.0.1:0"]
        command += ["--data-dir", str(self.data_dir)]
        self._process = subprocess.Popen(
            [*command, *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=_environment(),
            preexec_fn=self._limit_files if self._file_limit else None,
        )
        self._reader = threading.Thread(target=self._read_log, args=(self._process,), daemon=True)
        self._reader.start()
        return self._process

    def start(self) -> "NodeProcess":
        """Start, and return when the node says that it is ready."""
        process = self.launch()
        give_up = threading.Timer(START_DEADLINE_S, process.kill)
        give_up.start()
        assert process.stdout is not None
        ready = _READY.search(process.stdout.readline())
        give_up.cancel()
        if ready is None:
            self.kill()
            raise AssertionError(f"the node did not start: {self.log}")
        self.port = int(ready[1])
        return self

    def kill(self) -> None:
        """`kill -9`: nothing is flushed, no marker is written."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        return self._end(signal.SIGTERM)

    def _limit_files(self) -> None:
        """In the child: so many descriptors and no more."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._file_limit, self._file_limit))

    def wait(self) -> int:
        """The exit status of a node that ends by itself."""
        return self._end(None)

    def _end(self, number: signal.Signals | None) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if number is not None:
            process.send_signal(number)
        status = process.wait(STOP_DEADLINE_S)
        if self._reader is not None:
            self._reader.join(STOP_DEADLINE_S)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        return status

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.log += line


def _environment() -> dict[str, str]:
    """Ours, without what the node would take for its options."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MINIKAFKA_")}
    return ours | {"PYTHONUNBUFFERED": "1"}
