"""Measurements that anyone can repeat: `make bench`, or `python tests/bench/run.py --quick`."""
