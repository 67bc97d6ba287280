"""The client library. The way of a record, a line a file:

producer        send() checks the record and asks
partitioner       where it goes, if nobody said;
accumulator     puts it into the batch of its partition
producer_batch    (a batch: its records, number and state),
sender          which goes to the partition's leader, until it is there or too old,
network         over one connection per broker
channel           (one connection, opened again when it breaks),
metadata        which are found by asking who leads what;
delivery        what send() returned tells where the record is,
batch_delivery    (as its batch was told).

consumer        getone(), getmany(), async for take records
consumer_options  (its options that are words)
reading         of the topics and partitions that were chosen
topic_selection   (by name or by a pattern),
fetcher         from what was fetched ahead by long polls,
subscription      (each partition's buffer, and the position in it)
aborted           (transactions that do not count)
record_decoder  decoded when they are taken, some hundred at a time;
positions       each partition begins where its group has committed,
offsets           or where its log begins or ends.

group_session   Who reads what is said by the group, and told to it how far that is:
group_member      a member asks its coordinator for a place, again and again,
membership        by rules that know nothing of time and network,
member            in words such as ask, notify and change,
group_messages    and bytes that members write for each other;
assignors         they share partitions by one of four strategies,
sticky_assignment   two of which let everybody keep what it has, as far as that is fair.
rebalance_listener  The user's own code hears of it, before
commits             what was read is committed.

worker          A user's function is run on what a consumer reads, many records at once,
work_ledger       in an order that keeps each key's, and no commit passes what is not done;
work_commits      what is done is committed now and then, and before partitions are given up,
work_statistics   and counted.
dead_letters    What fails again and again is put aside.
handler         The function may be plain or async, and is called
concurrency       in one of six ways,
runner            by one of these:
task_runner     in the event loop,
thread_runner   in threads,
handler_process in processes, which may die.

admin           topics, options, disks and groups are changed and described:
questions         a question is asked until it is answered, a change once;
topic_changes     topics created, enlarged and deleted,
new_topic           (as the protocol says it),
elections         leaders of partitions elected,
reassignments     partitions moved to other brokers,
quorum            the controllers, and how far each is,
producer_states   the producers that the leaders of partitions remember,
configs           options and where they come from,
record_deletion   records deleted by the leaders of their partitions,
log_dirs          what lies on the brokers' disks,
groups            groups of consumers, and who is in them,
group_offsets     what they have committed, altered from outside.
outcome           (what became of several things at once)
leaders         asks the leaders of partitions, for offsets, deletion and producers.

coordinator         asks the broker that coordinates a group, wherever that is,
committed_offsets   up to where the group has read.

cluster         the cluster looked at:
views           brokers, topics and partitions as the metadata has them now, and
control_plane   segments and events, from the nodes' control planes,
control_link    over one connection to each that was asked.

sync            the blocking face: each class again, for callers that do not await;
sync_cluster    the cluster and its views again;
blocking        how a method becomes one that blocks,
background_loop in the thread in which all of them run.
serializers     bytes of values, and back, for who wants no functions of their own.
java_names      options by the names that Java's clients know them by.
record, errors, settings, keywords, wakeup     what all of them share.
"""
