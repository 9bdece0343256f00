"""Shared parts of the tests: sweeps, stores, servers, browsers, members."""
