"""From a formula to what an engine runs: a torch function, byte code for the cpu engine, C for CUDA."""
