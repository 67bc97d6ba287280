"""The mistakes: a file, text that occurs there once, and what stands in its place.

Where the code moves on, `test_mutations` says so. Each names the tests that must find it, as pytest
takes them; `STATES` of them are looked at where these are crash states.
"""

from dataclasses import dataclass

STATES = 6000
LOG_STATES = "tests/sim/test_log_states.py::test_no_crash_takes_what_was_acknowledged_after_a_flush"
OS_STATES = (
    "tests/sim/test_log_states.py"
    "::test_without_flushes_no_crash_takes_what_the_recovery_point_confirms"
)
NODE_STATES = (
    "tests/sim/test_node_states.py::test_no_crash_takes_a_topic_or_a_record_that_was_acknowledged"
)
LOADING = (
    "tests/sim/test_node_states.py::test_a_crash_while_loading_does_not_look_like_a_clean_stop"
)
ATOMIC = (
    "tests/sim/test_disk.py::test_write_atomically_leaves_the_old_or_the_new_at_every_operation"
)
DIRECTORIES = "tests/sim/test_disk.py::test_directories_are_durable_at_every_level_once_made"
FAILED_FLUSH = (
    "tests/sim/test_disk.py::test_a_failed_flush_leaves_the_content_and_never_makes_it_durable"
)
LOG_FAULTS = "tests/sim/test_faults.py::test_a_log_survives_the_failure_of_every_call"
FSYNC_FAILS = f"{LOG_FAULTS}[fsync-EIO-fsync]"
IN_SYNC = "tests/broker/replica/test_in_sync.py"
REPLICATION = "tests/broker/replica/test_replication.py"
RAFT = "tests/broker/controller/test_raft.py"
RAFT_LOG = "tests/broker/controller/test_raft_log.py"
DECIDE_ISR = "tests/broker/controller/test_decide_isr.py"
LEADERSHIP = "tests/broker/controller/test_leadership.py"
FETCHER = "tests/broker/replica/test_fetcher.py"
GROUP = "tests/broker/group/test_group.py"
MOVES = "tests/broker/group/test_moves.py"
NODE_FAULTS = "tests/sim/test_faults.py::test_a_node_survives_the_failure_of_every_call[fsync-EIO]"
SHORT_WRITE = f"{LOG_FAULTS}[write-ENOSPC-after 40 bytes-fsync]"


@dataclass(frozen=True)
class Mutation:
    """One mistake. `changes` are (old, new) in `path`."""

    name: str
    path: str
    changes: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]

    def apply(self, source: str) -> str:
        """The source with the mistake; ValueError where the text is not there exactly once."""
        for old, new in self.changes:
            if source.count(old) != 1:
                raise ValueError(f"{self.name}: {self.path} has {source.count(old)} times {old!r}")
            source = source.replace(old, new)
        return source


def _mutation(name: str, path: str, old: str, new: str, *tests: str) -> Mutation:
    return Mutation(name, path, ((old, new),), tests)


MUTATIONS = (
    _mutation(
        "acknowledge before the fsync",
        "broker/replica/manager.py",
        "                await self._files.flush("
        "[file for _, point in points for file in point.files])\n",
        "                self._flushed(points)\n"
        "                await self._files.flush("
        "[file for _, point in points for file in point.files])\n",
        NODE_STATES,
    ),
    _mutation(
        "acknowledge at the append",
        "broker/log/log.py",
        'if self.options.flush_on_write == "os" else self.recovery_point',
        "if self.options else self.recovery_point",
        LOG_STATES,
    ),
    _mutation(
        "no fsync of the directory on create",
        "broker/log/log.py",
        "            unsure.append(self._directory)  # A new, empty segment has a name to lose.\n",
        "            pass\n",
        LOG_STATES,
    ),
    _mutation(
        "no fsync of the parent of a new directory",
        "broker/log/files.py",
        "        self.fsync_directory(parent)\n",
        "",
        DIRECTORIES,
    ),
    _mutation(
        "no fsync of the directory on rename",
        "broker/log/files.py",
        "        self.fsync_directory(os.path.dirname(path))\n",
        "",
        ATOMIC,
    ),
    _mutation(
        "no fsync before the rename",
        "broker/log/files.py",
        "            self.flush_now([temporary])\n",
        "",
        ATOMIC,
    ),
    _mutation(
        "checkpoint without fsync",
        "broker/log/offset_checkpoints.py",
        "        await self._files.flush(temporary)\n",
        "",
        LOG_STATES,
    ),
    _mutation(
        "checkpoint says what is written",
        "broker/replica/partition.py",
        "        recovery_point = self.log.recovery_point\n",
        "        recovery_point = self.log.written_offset\n",
        LOG_STATES,
    ),
    _mutation(
        "checkpoint has the whole high watermark",
        "broker/replica/partition.py",
        "min(self.high_watermark, recovery_point)",
        "self.high_watermark",
        OS_STATES,
    ),
    Mutation(
        "clean marker deleted late",
        "broker/node.py",
        (
            ("        checkpoints.take_clean_shutdown(files, data_dir)\n", ""),
            (
                "        if self._stopping.done():\n            raise NodeError(",
                "        checkpoints.take_clean_shutdown(files, data_dir)\n"
                "        if self._stopping.done():\n            raise NodeError(",
            ),
        ),
        (LOADING,),
    ),
    _mutation(
        "deletion of the clean marker not flushed",
        "broker/log/checkpoints.py",
        "        files.fsync_directory(directory)\n",
        "",
        LOADING,
    ),
    _mutation(
        "truncation at corruption below a checkpoint",
        "broker/log/recovery.py",
        "    elif damage.offset < confirmed.end_offset:\n",
        "    elif damage.offset < 0:\n",
        "tests/broker/log/test_recovery.py",
    ),
    _mutation(
        "a hole between segments is overlooked",
        "broker/log/recovery.py",
        "    if end_offset == offset or (",
        "    if end_offset <= offset or (",
        LOG_STATES,
    ),
    _mutation(
        "what was cut is not flushed",
        "broker/log/log.py",
        "            self._files.flush_now(unsure)\n",
        "            pass\n",
        LOG_STATES,
    ),
    _mutation(
        "indexes of a closed segment not flushed",
        "broker/log/log.py",
        "(old_file, *index_paths, self._directory)",
        "(old_file, self._directory)",
        LOG_STATES,
    ),
    _mutation(
        "a closed segment not flushed",
        "broker/log/log.py",
        "(old_file, *index_paths, self._directory)",
        "(*index_paths, self._directory)",
        LOG_STATES,
    ),
    _mutation(
        "a segment that ends at the recovery point is trusted",
        "broker/log/recovery.py",
        "unsure = bisect_left(",
        "unsure = bisect_right(",
        "tests/broker/log/test_recovery.py",
    ),
    _mutation(
        "a snapshot beyond the end of the log is believed",
        "broker/replica/store.py",
        "            if end_offset > opened.log_end_offset:\n",
        "            if end_offset < 0:\n",
        LOG_STATES,
    ),
    _mutation(
        "fsync error swallowed",
        "broker/log/files.py",
        "                raise StorageFailed(self._failure) from error\n",
        "                self._failure = None\n",
        FSYNC_FAILS,
    ),
    _mutation(
        "fsync tried again after an error",
        "broker/log/files.py",
        "                self._failure = f",
        "                self._failure = None; message = f",
        FAILED_FLUSH,
    ),
    _mutation(
        "what a failed flush left in doubt is believed",
        "broker/node.py",
        "        if not self._is_clean and not last_run.has_said(files, data_dir):\n",
        "        if False:\n",
        NODE_FAULTS,
    ),
    _mutation(
        "short write ignored",
        "broker/log/files.py",
        "        if written_bytes != size_bytes:\n",
        "        if written_bytes < 0:\n",
        SHORT_WRITE,
    ),
    _mutation(
        "half an append left behind",
        "broker/log/files.py",
        "        self.truncate(self.size_bytes)\n        raise error\n",
        "        raise error\n",
        SHORT_WRITE,
    ),
    _mutation(
        "appends behind a failure of the disk",
        "broker/log/log.py",
        "        if self._is_in_doubt:\n",
        "        if self._is_in_doubt and not staged:\n",
        "tests/broker/log/test_log.py",
    ),
    _mutation(
        "dedup window of 0",
        "broker/replica/producers.py",
        "    for batch in known.batches:\n",
        "    for batch in ():\n",
        LOG_STATES,
    ),
    _mutation(
        "dedup window of 4",
        "broker/replica/producers.py",
        "WINDOW = 5\n",
        "WINDOW = 4\n",
        "tests/broker/replica/test_producers.py",
    ),
    _mutation(
        "raft: a record of an older epoch is committed",
        "broker/controller/raft_leader.py",
        "        if offset <= self._first_offset:\n",
        "        if not offset:\n",
        RAFT,
    ),
    _mutation(
        "raft: half of the voters commit",
        "broker/controller/raft_leader.py",
        "return (len(self._matched) + 1) // 2\n",
        "return len(self._matched) // 2\n",
        RAFT,
    ),
    _mutation(
        "raft: half of the voters elect",
        "broker/controller/raft.py",
        "return len(self.voters) // 2 + 1\n",
        "return (len(self.voters) + 1) // 2\n",
        RAFT,
    ),
    _mutation(
        "raft: the vote is not saved",
        "broker/controller/raft.py",
        "return self._save(Vote(self.epoch, request.sender), "
        "partial(self._support, handle, request))\n",
        "return self._support(handle, request, now_ms)\n",
        RAFT,
    ),
    _mutation(
        "raft: a shorter log is elected",
        "broker/controller/raft.py",
        "            and request.end >= self.log.end\n",
        "",
        RAFT,
    ),
    _mutation(
        "raft: an answer before the write is done",
        "broker/controller/write_turns.py",
        "        if self.is_writing:\n            self._waiting",
        "        if now_ms < 0:\n            self._waiting",
        RAFT,
    ),
    _mutation(
        "raft: every fetch that is short enough is served",
        "broker/controller/raft_leader.py",
        "        if not self._log.contains(end):\n",
        "        if end.offset > self._log.end.offset:\n",
        RAFT,
    ),
    _mutation(
        "raft: cut at the end of the leader's epoch only",
        "broker/controller/raft_log.py",
        "min(leaders.offset, self.end_of(leaders.epoch).offset)",
        "min(leaders.offset, self.end.offset)",
        RAFT_LOG,
    ),
    _mutation(
        "raft: committed records are cut",
        "broker/controller/raft_log.py",
        '        if offset < self.high_watermark:\n            raise RaftError(f"to',
        '        if offset < 0:\n            raise RaftError(f"to',
        RAFT,
    ),
    _mutation(
        "raft: whoever has a leader would vote for another",
        "broker/controller/raft.py",
        "is_granted and not self.has_leader(now_ms)\n",
        "is_granted\n",
        RAFT,
    ),
    _mutation(
        "raft: a leader without followers stays",
        "broker/controller/raft.py",
        "return leader.tick(now_ms) if leader.has_quorum(now_ms) else self._leave(now_ms)\n",
        "return leader.tick(now_ms)\n",
        RAFT,
    ),
    _mutation(
        "decide: no broker epoch in changes of an ISR",
        "broker/controller/decide_isr.py",
        "    return member.broker_epoch in (ANY_EPOCH, broker.epoch)\n",
        "    return True\n",
        f"{DECIDE_ISR}::test_a_fetch_before_a_restart_brings_nobody_into_the_isr",
    ),
    _mutation(
        "decide: no partition epoch in changes of an ISR",
        "broker/controller/decide_isr.py",
        "    if wanted.partition_epoch < partition.partition_epoch:\n",
        "    if partition is None:\n",
        f"{DECIDE_ISR}::test_a_question_that_comes_twice_is_answered_once",
    ),
    _mutation(
        "decide: a replica that may have lost records stays eligible",
        "broker/controller/leadership.py",
        "- {*after.isr, terms.lost}",
        "- {*after.isr}",
        f"{LEADERSHIP}::test_so_it_goes",
    ),
    _mutation(
        "decide: the last known leader leads, alive or not",
        "broker/controller/leadership.py",
        "and before.last_known_leader in able:",
        "and before.last_known_leader != NOBODY:",
        f"{LEADERSHIP}::test_so_it_goes",
    ),
    _mutation(
        "acks=all is answered at the append, without the followers",
        "broker/replica/partition.py",
        "        if self.high_watermark < appended.next_offset:\n            return None\n"
        "        return self._refuse_few",
        "        return self._refuse_few",
        REPLICATION,
        f"{FETCHER}::test_acks_all_waits_for_the_follower_whom_a_write_wakes",
    ),
    _mutation(
        "a duplicate is answered without the followers",
        "broker/replica/partition.py",
        "        appended.next_offset = original.last_offset + 1\n",
        "",
        f"{REPLICATION}::test_a_retry_of_what_the_followers_lack_waits_as_the_first_did",
    ),
    _mutation(
        "high watermark ignores min.insync.replicas",
        "broker/replica/in_sync.py",
        "        if len(self.isr) < self.effective_min_isr(min_insync_replicas):\n"
        "            return high_watermark\n",
        "",
        IN_SYNC,
    ),
    _mutation(
        "high watermark by the proposed ISR on shrink",
        "broker/replica/in_sync.py",
        "        maximal_isr = self.maximal_isr\n",
        "        maximal_isr = self.proposal.isr if self.proposal else self.isr\n",
        IN_SYNC,
    ),
    _mutation(
        "ISR change taken back though it may be done",
        "broker/replica/in_sync.py",
        " or error in _DECIDED:\n            return False\n        if error in _REFUSED:",
        ":\n            return False\n        if error in _REFUSED | _DECIDED:",
        IN_SYNC,
    ),
    _mutation(
        "ISR expansion without the start of the leader epoch",
        "broker/replica/in_sync.py",
        "max(high_watermark, self._epoch_start)",
        "high_watermark",
        IN_SYNC,
    ),
    _mutation(
        "no broker epoch check on fetch",
        "broker/replica/in_sync.py",
        "        if follower is None or broker is None or broker_epoch != broker.epoch:\n",
        "        if follower is None:\n",
        IN_SYNC,
        REPLICATION,
    ),
    _mutation(
        "no broker epoch check on ISR expansion",
        "broker/replica/in_sync.py",
        "            and broker.epoch == follower.broker_epoch\n",
        "",
        IN_SYNC,
    ),
    _mutation(
        "no leader epoch check on fetch",
        "broker/replica/partition.py",
        "        if known_epoch != self.leader_epoch and known_epoch != UNDEFINED:\n",
        "        if False:\n",
        REPLICATION,
    ),
    _mutation(
        "no flush of the name under which epochs are written down",
        "broker/replica/store.py",
        "        partition.log.flush_names()\n",
        "",
        REPLICATION,
    ),
    _mutation(
        "no entry in the epoch cache on election",
        "broker/replica/partition.py",
        "        self.epochs.assign(leader_epoch, self._epoch_start)\n",
        "",
        REPLICATION,
    ),
    _mutation(
        "follower truncates to its high watermark",
        "broker/replica/partition.py",
        "        self._take_image(image)\n        self._resign()\n",
        "        self._take_image(image)\n        self._resign()\n"
        "        self.log.truncate_to(self.high_watermark)\n",
        REPLICATION,
    ),
    _mutation(
        "truncation that cuts nothing leaves the epochs",
        "broker/replica/following.py",
        "    epochs.truncate_to_end(log.written_offset)\n    partition.keeper.after_truncation",
        "    partition.keeper.after_truncation",
        REPLICATION,
    ),
    _mutation(
        "truncation below a checkpoint on disk",
        "broker/replica/following.py",
        "        partition.keeper.before_truncation(partition, offset)\n        log.truncate_to",
        "        log.truncate_to",
        REPLICATION,
    ),
    _mutation(
        "follower believes the high watermark of a diverging answer",
        "broker/replica/follower_fetch.py",
        "    if diverging.epoch != NO_DIVERGENCE:\n",
        "    if diverging.epoch != NO_DIVERGENCE:\n"
        "        partition.high_watermark = answer.high_watermark\n",
        REPLICATION,
    ),
    _mutation(
        "group: a commit is answered before the replicas have it",
        "broker/group/coordinator.py",
        "        shard.append(entries, appended, done)\n",
        "        shard.append(entries, appended)\n        done(ErrorCode.NONE)\n",
        MOVES,
    ),
    _mutation(
        "group: a commit counts before the replicas have it",
        "broker/group/coordinator.py",
        "        shard.append(entries, appended, done)\n",
        "        appended(ErrorCode.NONE)\n        shard.append(entries, appended, done)\n",
        MOVES,
    ),
    _mutation(
        "group: an older generation is believed",
        "broker/group/group.py",
        "        if identity.generation != self.generation:\n",
        "        if identity.generation > self.generation:\n",
        GROUP,
    ),
)

CONTROL = Mutation(
    "(the control: no mistake at all)",
    "broker/node.py",
    (),
    tuple(dict.fromkeys(test for one in MUTATIONS for test in one.tests)),
)
