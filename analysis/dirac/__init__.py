"""The Dirac-GAN: every loss where the answer can be worked out, and the law of the generator's label."""
