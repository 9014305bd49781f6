"""Which stored variant a request may be given: the fields that Vary names (RFC 9111 §4.1)."""

import hashlib
import re

from regproxy.model.message import Fields, joined

# A list element ends at a comma outside quotes; blanks around it mean nothing.
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*+"|")++')


def vary_names(fields: Fields) -> frozenset[str]:
    """The request fields that a response depends on, in lower case; `*` stands for more than anybody can compare."""
    return frozenset(filter(None, (name.strip().lower() for name in (joined(fields, "vary") or "").split(","))))


def variant(names: frozenset[str], request: Fields) -> str:
    """The part of a key that says with which values of these fields a response was asked for.

    A digest: the values may be long, and some are nobody's business on a disk. Never empty.
    """
    lines = []
    for name in sorted(names):
        value = joined(request, name)
        lines.append(name if value is None else f"{name}: {_normal(value)}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _normal(value: str) -> str:
    """A value that means the same: blanks around commas gone."""
    return ",".join(filter(None, (element.strip() for element in _ELEMENT.findall(value))))
