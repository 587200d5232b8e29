"""Readers, one form of data a file: a path or arrays in, a `Raw` out."""
