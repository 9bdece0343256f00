"""What is to be learned: ``target`` has the laws of scipy.stats by name, ``mixture`` those that scipy has not."""

from harness.targets.target import Float64, Target, continuous_laws, starting_params

__all__ = ["Float64", "Target", "continuous_laws", "starting_params"]
