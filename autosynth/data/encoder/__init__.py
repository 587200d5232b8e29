"""Encoders, one kind a file: what is fitted on training rows, and the arrays that it makes."""
