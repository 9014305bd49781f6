"""The rows of the overview, a file for each."""
