"""Whole training steps of the script's GAN: engines, peers and the machine's ceilings, side by side in one run.

    nox -s bench                 python experiments/benchmarks            everything, about ten minutes
    nox -s bench -- --quick      python experiments/benchmarks --quick    under a minute

Each contender lives in a process of its own (``contender_process.py``), so that no library's settings reach another's,
and is asked in turn to time one round (``timing.py``): a machine that slows down slows all of them. Before anything is
timed every contender trains from the same weights on the same draws and must show the literal loop's losses
(``contenders_run.py``). The result is one JSON document; tables and figure are functions of it. docs/performance.md is
written by hand from them.

A step is D's update on a real and a generated minibatch, then G's, with Adam, and the making of all random numbers.
Making initial weights, compiling and scoring are no part of it. Peers draw their numbers with the generator that
their users would use (torch's, JAX's), engines with ``harness.data.rng``.
"""
