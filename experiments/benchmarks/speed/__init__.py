"""Whole training steps of the seed's GAN: engines, peers and the machine's ceilings, side by side in one run.

    nox -s bench                 python experiments/benchmarks            everything, about ten minutes
    nox -s bench -- --quick      python experiments/benchmarks --quick    under a minute

Each contender lives in a process of its own (``worker.py``), so that no library's threads or settings reach another's,
and is asked in turn to time one round (``rounds.py``): a machine that slows down slows all of them. Before anything is
timed every contender trains from the same weights on the same draws and must show the literal loop's losses
(``checking.py``). What is written is one JSON document; table, figure and page are functions of it.

What a step is: D's update on a real and a generated minibatch, then G's, with Adam, and the making of all random
numbers. What it is not: making initial weights, compiling, scoring. Peers draw their numbers with the generator that
their users would use (torch's, JAX's), engines with ``harness.data.rng``.
"""
