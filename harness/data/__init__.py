"""What is learned, fed, read and drawn: targets, latent noise, views, networks, random numbers."""
