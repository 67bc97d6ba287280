"""Tests of the labs: at a small scale, of counts and never of times."""
