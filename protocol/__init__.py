"""Bytes to objects and back: the leaf of the house; it touches no clock, file or socket.

primitives            integers, strings, arrays: how each lies on the wire, within bounds
codec, schema         a message is declared once: its fields, and the versions that carry each
compiler              and compiled to Python for each version
header                what stands before a message, and the frame around it
api/                  the messages, one file per API
consumer_protocol     what members of a group tell each other
control               the control plane's messages, and
control_frame         how they are sent, in msgpack
errors                the table of errors
batch, records        the record batch from outside, and the records in it
rewrite               a batch with fewer records, or in another codec
compression, crc32c   what a batch is compressed and checked with
"""
