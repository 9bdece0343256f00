"""Costs of a sweep beside training: asking, scoring, committing, mirroring, resuming, starting.

    nox -s bench -- overhead            python experiments/benchmarks overhead           about twenty minutes
    nox -s bench -- overhead --quick    python experiments/benchmarks overhead --quick   small sweeps: that it runs

Every line is measured in a process of its own (``measurement_process.py``), on the real ``Sweep``, store and mirror.
Where training would hide what is measured, an engine trains that returns at once (``sweeps.StubEngine``).
"""
