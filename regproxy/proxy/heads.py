"""CONNECT heads that came before, byte for byte: what they name is known without parsing them again.

Only a head that was parsed in full and led to an interception is learned, so that one in other bytes, however little
they differ, is always parsed.
"""

import re
from collections import OrderedDict

from regproxy.model.address import Authority

MAX_HEADS = 1024
MAX_HEAD_BYTES = 1024
# Of no other field do we know that it changes nothing: a length, say, promises bytes before the tunnel.
_HARMLESS = frozenset(["host", "user-agent", "proxy-connection"])
# Where Tornado takes a head to end.
_END = re.compile(rb"\r?\n\r?\n")


def is_one_head(came: bytes) -> bool:
    """Whether these bytes are one whole head, as Tornado divides them, and nothing else."""
    end = _END.search(came)
    return end is not None and end.end() == len(came)


class ConnectHeads:
    """Owns the heads that one edge knows; beyond `MAX_HEADS` the least recently used goes."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Authority] = OrderedDict()

    def __len__(self) -> int:
        """How many heads are known."""
        return len(self._known)

    def find(self, came: bytes) -> Authority | None:
        """What these bytes name, if they are a head that is known."""
        found = self._known.get(came)
        if found is not None:
            self._known.move_to_end(came)
        return found

    def learn(self, head: bytes, fields: frozenset[str], authority: Authority) -> None:
        """A CONNECT in these bytes, with fields of these names (lower case), names `authority`."""
        if len(head) > MAX_HEAD_BYTES or not fields <= _HARMLESS or not is_one_head(head):
            return
        self._known[head] = authority
        if len(self._known) > MAX_HEADS:
            self._known.popitem(last=False)
