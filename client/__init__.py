"""The client library. The way of a record, a line a file:

producer        send() checks the record and asks
partitioner       where it goes, if nobody said;
accumulator     puts it into the batch of its partition
producer_batch    (a batch: its records, futures, number and state),
sender          which goes to the partition's leader, until it is there or too old,
network         over one connection per broker
channel           (one connection, opened again when it breaks),
metadata        which are found by asking who leads what.

consumer        getone(), getmany(), async for take records
subscription      (its partitions, and the position in each)
fetcher         from what was fetched ahead by long polls,
record_decoder  decoded when they are taken;
offsets         positions come from asking where a log begins and ends.

admin           topics made, deleted, described.
record, errors, settings, keywords, wakeup     what all of them share.
"""
