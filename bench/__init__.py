"""The benchmark: wardgate between a floor that does the least and peers that do it naively, in one run.

    python -m bench            the full run (about 5 minutes)
    python -m bench --quick    the same with short rounds (about a minute)

The server that is measured has one core to itself; the load generator, the model and the collector share
another. Linux only: it pins processes and reads their CPU clocks. Method: docs/benchmarks.md.
"""

FLOOR_SHA256 = "c460b7bbe4fa82c1af7881b8576c086f365294f92b1c065a8cd86422e3970491"
"""The floor's source, pinned: a ratio is comparable with another one only over the same floor."""
