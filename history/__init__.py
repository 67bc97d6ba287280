"""Histories: what clients of a Kafka cluster did and saw, and whether a queue may behave like that.

The way of a history, a line a file:

outcome         what an error says of an operation: it happened, it did not, or who knows
event           a line: an operation begins, or ends
recorder        writes them while clients work
operation       beginning and end, put together, and the rules of a well-formed history
group_value     what operations of groups and disks carry
version_order   one partition's log as all polls and acknowledgements tell it
evidence        the same history by value: who wrote it, who read it, in which order they lie
finding         one violation, with the operations that prove it

reads           read and never written: phantom, G1a, precommitted-read
losses          written and never read: lost-write, unseen
positions       poll-skip, nonmonotonic-poll, and both within one operation
sending         nonmonotonic-send, within one operation, and against real time
orders          inconsistent-offsets, duplicate
stability       what was read once and is gone
cycles          G1c: transactions that saw each other
commits         a group's offsets are kept; nobody owns what is another's
copies          exactly once from topic to topic
replicas        what lies on the disks in the end
lag             how far behind readers were, a metric

check           all of these over one history: the report
timeline        a finding as a text: who did what when

All of it is PURE, knows nothing of the broker and the client, and imports nothing of ours: it
judges any cluster by what any client wrote down. docs/history.md has the format.
"""
