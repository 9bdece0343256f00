"""The text of the CUDA kernel: what is generated for one kind of member."""
