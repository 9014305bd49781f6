"""The vocabulary: frozen values that every floor speaks, without clock, input or output."""
