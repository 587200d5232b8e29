"""What the cells of a table mean: numbers, dates, words, paths, and columns that are ignored."""
