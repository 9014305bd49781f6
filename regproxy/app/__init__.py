"""Builds the parts and owns their lives: the only place that constructs them."""
