"""A node that is nothing but a controller: a voter of the quorum, without partitions.

It is made, started and stopped as a Node is, so that a Machine runs it.
"""

import asyncio
from random import Random
from typing import Any, cast

from minikafka.broker.addresses import control_address
from minikafka.broker.clock import WallClock
from minikafka.broker.config import BrokerConfig
from minikafka.broker.control.context import ControlContext
from minikafka.broker.control.server import ControlServer
from minikafka.broker.controller.membership import Membership
from minikafka.broker.controller.metadata_log import METADATA_LOG
from minikafka.broker.controller.service import Controller
from minikafka.broker.log.files import Files
from minikafka.broker.log.offset_checkpoints import OffsetCheckpoints

CHECKPOINT_S = 5.0


class VoterNode:
    """See the module."""

    def __init__(
        self, config: BrokerConfig, *, files: Files, clock: WallClock, random: Random
    ) -> None:
        self._config = config
        self._files = files
        self._clock = clock
        self._random = random
        self._controller: Controller
        self._checkpoints: OffsetCheckpoints
        self._control: ControlServer
        self._stopping: asyncio.Future[Exception | None]
        self._checkpointing: asyncio.Task[None]

    async def start(self) -> None:
        """Take part from what is on the disk."""
        loop = asyncio.get_running_loop()
        self._stopping = loop.create_future()
        self._control = ControlServer(loop)
        await self._control.bind(*control_address(self._config))
        files, data_dir = self._files, self._config.data_dir or ""
        files.make_directory(data_dir)
        self._checkpoints = OffsetCheckpoints(files, data_dir)
        self._controller = Controller.open(
            files,
            data_dir,
            self._clock,
            self._random,
            self._checkpoints.find(METADATA_LOG),
            Membership(
                self._config.node_id,
                f"disk of {self._config.node_id}",
                voters=self._config.voter_addresses,
            ),
        )
        self._controller.on_failure = self._fail
        await self._control.serve(ControlContext(self._controller, cast(Any, None)))
        await self._controller.start()
        self._checkpointing = loop.create_task(self._checkpoint_rounds())

    async def stop(self) -> None:
        """Stop cleanly."""
        self._checkpointing.cancel()
        await self._control.stop()
        await self._controller.close()

    def _fail(self, error: Exception) -> None:
        if not self._stopping.done():
            self._control.close()
            self._stopping.set_result(error)

    async def _checkpoint_rounds(self) -> None:
        while True:
            await asyncio.sleep(CHECKPOINT_S)
            await self._checkpoints.save({METADATA_LOG: self._controller.confirmed}, {})
