"""What the attributes of a request can hold, as expressions: the OCI grammar, hosts, and the shapes of paths.

They follow `model/oci.py` and `model/address.py`. Where one is not exact it is wider than what is really let in, never
narrower, so that what is proved impossible is impossible.
"""

import re
import string
from dataclasses import dataclass

from regproxy.model.address import MAX_NAME
from regproxy.model.oci import MAX_REPOSITORY
from regproxy.rehearsal.regex import Node
from regproxy.rehearsal.syntax import read

MAX_TAG = 128
MAX_DIGEST = 256
MAX_LABEL = 63
# The grammar sets no limit; this is what a server takes as the head of a request.
MAX_PATH = 65536

# The alphabets, the most readable character first: it stands in a witness for those that nothing tells apart.
_LETTERS = string.ascii_lowercase + string.digits
_NAMES = _LETTERS + "/-._"
_TAGS = _LETTERS + "-._" + string.ascii_uppercase
_DIGESTS = _LETTERS + "=-._:+" + string.ascii_uppercase
_HOSTS = _LETTERS + "-._"
# A request's target is what is visible, with one character for all beyond ASCII; `?` ends the path.
_PATHS = _LETTERS + "/-._:" + string.ascii_uppercase + string.punctuation.replace("?", "") + "é"
# What expressions are compared on.
VISIBLE = _PATHS + "? "

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_DIGEST = r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+"
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"


@dataclass(frozen=True, slots=True)
class Grammar:
    """The words over an alphabet that are of a node and not of another; `samples` are words that people recognise."""

    node: Node
    alphabet: str
    longest: int
    samples: tuple[str, ...] = ()
    without: Node | None = None


def _grammar(text: str, alphabet: str, longest: int, *samples: str, without: str = "") -> Grammar:
    return Grammar(read(text).node, alphabet, longest, samples, read(without).node if without else None)


def path_grammar(text: str) -> Grammar:
    """The paths of a form, in which REPOSITORY, TAG and DIGEST stand for their grammars."""
    for name, inner in (("REPOSITORY", _REPOSITORY), ("TAG", _TAG), ("DIGEST", _DIGEST)):
        text = text.replace(name, inner)
    return _grammar(text, _PATHS, MAX_PATH)


_SIGNATURE = f"sha256-{'a' * 64}.sig"

HOST = _grammar(rf"{_LABEL}(?:\.{_LABEL})*", _HOSTS, MAX_NAME, "example.com")
REPOSITORY = _grammar(_REPOSITORY, _NAMES, MAX_REPOSITORY, "library/redis", "team/app", "app")
TAG = _grammar(_TAG, _TAGS, MAX_TAG, "latest", "1.2.3", "v1.2.3", "1.2", "stable", "main", "1.2.3-rc.1", _SIGNATURE)
# The usual ones first: a witness is of the first that will do.
DIGESTS = (
    _grammar("sha256:[a-f0-9]{64}", _DIGESTS, MAX_DIGEST),
    _grammar("sha512:[a-f0-9]{128}", _DIGESTS, MAX_DIGEST),
    _grammar(_DIGEST, _DIGESTS, MAX_DIGEST, without="sha(?:256|512):.*"),
)
# Not what the proxy answers itself or does not let pass for another kind.
OTHER_PATH = _grammar("/.*", _PATHS, MAX_PATH, "/", "/login", without="(?i:/v2(?:/.*)?)|/v1/?|/v1/_ping")


def label_grammar(suffix: str) -> Grammar:
    """The hosts that `*.suffix` names: one label and the suffix."""
    return _grammar(rf"{_LABEL}\.{re.escape(suffix)}", _HOSTS, MAX_LABEL + 1 + len(suffix))
