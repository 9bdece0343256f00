"""``python experiments/benchmarks``: the engines beside their peers (``speed/``).

With ``overhead`` as the first word: all of a sweep that is not training (``overhead/``).

Each says more with ``--help``.
"""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["overhead"]:
        from overhead.measure_overhead import main

        main(sys.argv[2:])
    else:
        from speed.measure_speed import main

        main(sys.argv[1:])
