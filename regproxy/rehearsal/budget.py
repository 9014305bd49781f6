"""How much work a proof may be: counted in steps, so that the same policy is decided the same way on every machine."""


class UndecidedError(Exception):
    """The work ended before the proof."""


class Budget:
    """So many steps; a step is about half a microsecond."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Take steps away; raises UndecidedError when there are none left."""
        self._left -= steps
        if self._left < 0:
            raise UndecidedError
