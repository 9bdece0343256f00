"""The entries of the registry: one published idea a file."""
