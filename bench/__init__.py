"""The benchmark: wardgate between a floor that does the least and peers that do it naively, in one run.

    python -m bench            the full run (about 5 minutes)
    python -m bench --quick    the same with short rounds (under a minute)

The server that is measured has one core to itself; the load generator, the model and the collector share
another. Linux only: it pins processes and reads their CPU clocks. Method: docs/benchmarks.md.
"""
