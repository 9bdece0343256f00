"""``python experiments/benchmarks``: the engines beside their peers (``speed/``); with ``tooling`` as the first word,
all that is not training (``tooling/``). Each says more with ``--help``.
"""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["tooling"]:
        from tooling.command import main

        main(sys.argv[2:])
    else:
        from speed.command import main

        main()
