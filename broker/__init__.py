"""The broker: one node, one process, one event loop. The way of a record, a line a file:

server                accepts connections, and ends each readable event;
connection            makes requests of a socket's bytes,
exchange              keeps each one's place in the order of answers, and
handlers/table        finds who handles their API and version:
handlers/produce      checks the request, and takes each batch to
 produce_shortcut     (a request like an earlier one is not decoded again)
replica/partition     its partition, which checks the batch;
replica/appended      (or says why not)
replica/producers     (was it sent before?)
log/log               stages it, and at the end of the event writes
log/segment           all that is staged to the active segment,
log/index             (noting where the batches lie)
log/files             with one call to the operating system.
replica/manager       flushes what was written, moves the high watermark, and so wakes
replica/purgatory     the requests that wait for it;
connection            sends their answers, in the order of the requests.

handlers/fetch        finds out what the client asked for before, and what has moved since, in
replica/fetch_sessions
                      and lets
handlers/fetch_reading
                      ask each partition for what lies from an offset on;
log/log               finds the segment,
log/segment           and in it a slice of the file, by
log/index, log/scan   an index entry and a walk over batch headers;
connection            sends the slice as it lies on disk.

replica/fetcher       gets records to where they are safe: it asks for those of other leaders, as
replica/throttle      lets it; how,
replica/follower_fetch
                      puts it in words, and as
replica/following     writes down, or cuts what its leader has not; by these questions
replica/in_sync       knows on the other side how far each follower is, so where the high watermark
replica/isr_changes   may be, and whom the controller should count on.

replica/housekeeping  lets old records go,
log/retention         segment by segment, or
replica/compactor     one by one,
log/compaction        when there is a newer one of the same key:
log/cleaner           the segments that are left
log/swap              take the place of what was there.

node                  builds all of them, starts and stops them in order;
hosting               opens and removes partitions as the cluster changes;
cluster_member        is what a node has because it is not alone;
identity              knows whose data directory it is, and
secret_file           what the nodes of its cluster prove to each other that they know.

control/              the control plane: describes segments and reads the metadata log, for clients

config, options       what can be set
addresses             where the node listens, and what it tells
clock                 the time that records carry
descriptors           how many files and sockets there may be
free_memory           what was freed goes back to the system
handlers/             the other APIs, a file each;
handlers/chapters     the broker as far as a chapter of the tutorials has built it
log/time_lookup       from a time to an offset,
log/opened_batch      by the records inside a batch
replica/epochs        which leader wrote what
replica/store         a partition on disk, with all that is kept beside its log:
log/checkpoints, log/offset_checkpoints, log/producer_snapshot, log/last_run
log/recovery          what holds after a crash, and
log/renewal           after a flush that failed;
log/repair            what can be done about a log that is damaged;
log/deletion          the end of a log
group/                consumer groups: members, generations, committed offsets
controller/           topics, brokers, leaders, options: commands in, records of its log out;
                      Raft, by which several nodes agree on that log
"""
