"""What a row is: a row of the source, a window of a series, or a user's next interaction."""
