"""The policy off-line: what it would do with a request, by the server's own code."""
