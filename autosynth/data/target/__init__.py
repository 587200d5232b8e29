"""Targets: what is predicted, as codes or numbers, in training and to score against."""
