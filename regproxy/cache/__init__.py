"""The core's brain: one straight line from a request to its answer."""
