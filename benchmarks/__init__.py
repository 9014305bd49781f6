"""Benchmarks beside nginx: the same bytes, the same machine, the same run; `python -m benchmarks`."""
