"""Events turned into metrics and log lines; nobody else counts or logs requests."""
