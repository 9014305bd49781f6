"""Templates: text files beside this one, filled where they say `@NAME@`."""

import re
from collections.abc import Mapping
from importlib import resources

_PLACE = re.compile(r"^([ \t]*)@([A-Z0-9_]+)@$|@([A-Z0-9_]+)@", re.MULTILINE)


def template(name: str) -> str:
    """The text of a packaged template; raises FileNotFoundError where the installation lacks it."""
    return (resources.files("regproxy.setup") / "templates" / name).read_text(encoding="utf-8")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put values in their places; one that stands alone on its line is indented as it is.

    Raises KeyError for a place without a value.
    """

    def value(place: re.Match[str]) -> str:
        indent, alone, within = place.groups()
        if alone is None:
            return values[within]
        return "\n".join(f"{indent}{line}" if line else "" for line in values[alone].split("\n"))

    return _PLACE.sub(value, text)
