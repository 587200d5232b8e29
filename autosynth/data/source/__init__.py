"""Sources, one format a file: a path or arrays in, a `Raw` of rows as they were found out."""
