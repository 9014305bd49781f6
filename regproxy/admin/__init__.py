"""The core's own listener: metrics and health, read-only."""
