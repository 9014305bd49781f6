"""The CA that clients trust, the leaves it signs, and the TLS contexts that intercepted connections use."""
