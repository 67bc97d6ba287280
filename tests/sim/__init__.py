"""A disk that loses power, and the broker's real code on it.

disk        what is durable, what is pending, and what the process sees
faults      the call that fails, and how
crash       a disk as it may be found after the power went away
files       the broker's `Files` on such a disk; flushes end when the test says so
history     what was appended and what was promised
log_run     a random life of one partition, with its store, flush rounds and restarts
log_check   a start on what a crash left of it, and all that must hold then
loop        an event loop without sockets, whose time is a number
stream      a client's end of a connection in it
node_run    the life of a whole node, and
node_check  a start on what a crash left of that
"""
