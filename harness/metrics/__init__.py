"""Distances to the target and what they mean: KS and its p-value, noise floors, diagnoses."""
