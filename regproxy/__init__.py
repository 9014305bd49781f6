"""regproxy: a caching HTTPS_PROXY for container images."""

__version__ = "0.1.0"
