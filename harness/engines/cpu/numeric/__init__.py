"""Compiled arithmetic of the cpu engine: vectors, products, perceptrons, views, random numbers."""
