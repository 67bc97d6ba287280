"""Bytes to objects and back: the leaf of the house; it touches no clock, file or socket."""
