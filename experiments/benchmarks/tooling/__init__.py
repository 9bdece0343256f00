"""What a sweep costs beside training: asking, scoring, committing, mirroring, resuming, starting.

    nox -s bench -- tooling            python experiments/benchmarks tooling           about twenty minutes
    nox -s bench -- tooling --quick    python experiments/benchmarks tooling --quick   small sweeps: that it runs

Every line is measured in a process of its own (``worker.py``), on the real ``Sweep`` with the real store and mirror.
Where training would hide what is measured, an engine trains that returns at once (``stub.py``).
"""
