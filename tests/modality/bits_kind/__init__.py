"""A package with a kind of input of its own: fingerprints, read as vectors of bits."""
