"""The display of a running sweep on a terminal."""
