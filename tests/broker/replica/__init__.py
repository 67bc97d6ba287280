"""Tests of partitions, their tables and their manager."""
