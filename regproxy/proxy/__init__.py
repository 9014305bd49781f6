"""The edge: accepts clients, ends TLS, asks the core, sends bytes; knows only `model.Core` and TLS contexts."""
