"""One GAN at a time in float64, written for reading: the oracle for the other engines."""

from harness.engines.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
