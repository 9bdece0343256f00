"""``python experiments/benchmarks``: the engines beside their peers (``--help``; the parts are in ``speed/``)."""

from speed.command import main

if __name__ == "__main__":
    main()
