"""Disks that lose power, networks that break, and the real code on both.

disk        what is durable, what is pending, and what the process sees
faults      the call that fails, and how
crash       a disk as it may be found after the power went away
files       the broker's `Files` on such a disk; flushes end when the test says so
history     what was appended and what was promised
log_run     a random life of one partition, with its store, flush rounds and restarts
log_check   a start on what a crash left of it, and all that must hold then
node_run    the life of a whole node, and
node_check  a start on what a crash left of that

loop        an event loop without sockets, whose time is a number
process     who runs in it, can be paused, and ends without a word
network     links between hosts, with delays and cuts
transport   a connection over two of them
stream      a client's end of a connection, with the methods of asyncio's streams
trace       what has happened, as a hash and as the last lines

setup       what a seed decides
machine     a host with a disk, a clock and a node
clients     producers, readers, members of a group
operator    who moves partitions, changes options, makes topics anew
nemesis     what goes wrong
world       all of these together: safety, liveness, truth
watch       what must hold at every moment
cluster_history, cluster_check    what clients saw, and what must hold of it in the end
as_events   the same for the judge of all histories
"""
