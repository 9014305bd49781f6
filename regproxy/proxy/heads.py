"""CONNECT heads that came before, byte for byte: what they name is known without parsing them again.

Only a head that was parsed in full and led to an interception is learned, so that one in other bytes, however little
they differ, is always parsed. One with a credential counts for the client that proved by it who it is, and only until
the policy, and so perhaps a password, changes; of its bytes nothing is kept but a keyed hash.
"""

import hmac
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from regproxy.model.address import Authority

MAX_HEADS = 1024
MAX_HEAD_BYTES = 1024
# Of no other field do we know that it changes nothing: a length, say, promises bytes before the tunnel.
_HARMLESS = frozenset(["host", "user-agent", "proxy-connection"])
_CREDENTIAL = "proxy-authorization"
# Where Tornado takes a head to end.
_END = re.compile(rb"\r?\n\r?\n")


def is_one_head(came: bytes) -> bool:
    """Whether these bytes are one whole head, as Tornado divides them, and nothing else."""
    end = _END.search(came)
    return end is not None and end.end() == len(came)


@dataclass(frozen=True, slots=True)
class Known:
    """What a head names, and the user whom its client proved to be; without a name, nobody."""

    authority: Authority
    user: str = ""


class ConnectHeads:
    """Owns the heads that one edge knows; beyond `MAX_HEADS` of a kind the least recently used goes."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._plain: OrderedDict[bytes, Known] = OrderedDict()
        # By their keyed hashes.
        self._proven: OrderedDict[bytes, Known] = OrderedDict()

    def __len__(self) -> int:
        """How many heads are known."""
        return len(self._plain) + len(self._proven)

    def find(self, came: bytes, client: str) -> Known | None:
        """What these bytes of this client mean, if they are a head that is known."""
        found = self._plain.get(came)
        if found is not None:
            self._plain.move_to_end(came)
            return found
        if not self._proven or len(came) > MAX_HEAD_BYTES:
            return None
        key = self._hash(came, client)
        found = self._proven.get(key)
        if found is not None:
            self._proven.move_to_end(key)
        return found

    def learn(self, head: bytes, fields: frozenset[str], client: str, known: Known) -> None:
        """A CONNECT of this client in these bytes, with fields of these names (lower case), means what is `known`."""
        if len(head) > MAX_HEAD_BYTES or not fields <= {*_HARMLESS, _CREDENTIAL} or not is_one_head(head):
            return
        proven = _CREDENTIAL in fields
        heads, key = (self._proven, self._hash(head, client)) if proven else (self._plain, head)
        heads[key] = known
        if len(heads) > MAX_HEADS:
            heads.popitem(last=False)

    def forget_users(self) -> None:
        """Who a client is has to be proved anew."""
        self._proven.clear()

    def _hash(self, head: bytes, client: str) -> bytes:
        return hmac.digest(self._key, client.encode() + b"\0" + head, "sha256")
