"""The law of the generator's label, held against the networks of a sweep."""
