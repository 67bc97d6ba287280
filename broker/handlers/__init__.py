"""One file per API: validate, ask a partition or a manager, shape the answer."""
