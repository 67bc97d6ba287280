"""Mistakes on purpose: a test that finds none of them proves nothing. `make mutants` runs them.

mutations   the mistakes, each an exact change of the source, and the tests that must find it
__main__    copies the code, makes one mistake in each copy, runs those tests there
"""
