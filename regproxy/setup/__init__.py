"""What clients are told: scripts and files that set a platform up, the proxy's page, and what it saw of a client."""
