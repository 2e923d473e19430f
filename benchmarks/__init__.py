"""Benchmarks against other packages, both sides in the same run: `make bench`, or `python -m benchmarks GROUP …`."""
