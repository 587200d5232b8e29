"""What is noticed of a dataset: a description, columns that leak, scales of targets."""
