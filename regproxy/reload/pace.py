"""Building beside the event loop: both want the interpreter's lock, and clients come first."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# The loop asks for the lock after each of its system calls. With CPython's 5 ms it would serve at a tenth of its speed.
SWITCH_SECONDS = 0.0005


@contextmanager
def yielding() -> Iterator[None]:
    """Give way to other threads every half a millisecond, and let no collection of garbage stop them all.

    A tree of a thousand tiers makes the collector run over it again and again, 50 ms each time, with the lock held;
    next to nothing of it is cyclic. One at a time: the settings are the interpreter's.
    """
    interval, collecting = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(min(interval, SWITCH_SECONDS))
    gc.disable()
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if collecting:
            gc.enable()
