"""Side by side with others that pip can install, in one run: `make bench`, or `python -m benchmarks NAME …`."""
