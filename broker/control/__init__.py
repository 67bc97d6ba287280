"""The control plane of a node: questions that Kafka's protocol has no words for, on a second port.

Clients ask what is told here; nodes ask each other, and the controller answers those.

server              listens, and accepts a few connections
conversation        reads one connection's questions and sends the answers, in order
context             the parts of the node that answers come from
describe_segments   what a partition's log is made of
read_events         what has happened to the cluster

Nothing that clients ask here changes anything.
"""
