"""What to do with a stored answer, and with a new one: pure functions of values and `now`."""
