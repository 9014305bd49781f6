"""What cannot change while running: flags, their environment twins, and the choice of the policy."""
