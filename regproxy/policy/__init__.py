"""The policy language: text in, an immutable Policy or diagnostics out; pure, without clock, files or event loop."""
