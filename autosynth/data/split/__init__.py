"""Splits: which rows train, and which are held out; by chance, by group or by time."""
