"""Stacked members in torch: parameters of many GANs as one tensor, on the CPU or on CUDA."""

from harness.engines.batched.engine import BatchedEngine

__all__ = ["BatchedEngine"]
