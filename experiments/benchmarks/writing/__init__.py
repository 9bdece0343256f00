"""What every benchmark writes: the machine it ran on, tables, and the measured part of a page."""
