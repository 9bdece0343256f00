"""Targets to learn, latent noise, views of minibatches, networks and random numbers."""
