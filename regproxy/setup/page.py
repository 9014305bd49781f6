"""The proxy's own page, for browsers and for terminals: that it works, and how to use it."""

from html import escape

from regproxy.setup.facts import Facts
from regproxy.setup.platforms import PLATFORMS
from regproxy.setup.template import fill, template


def as_text(facts: Facts, version: str, client: str) -> str:
    """Plain text; its first line is the one that the seed's probes look for."""
    width = max(len(one.title) for one in PLATFORMS)
    commands = "\n".join(f"  {one.title:{width}}  {one.command(facts)}" for one in PLATFORMS)
    return fill(template("index.txt"), facts.values() | {"VERSION": version, "CLIENT": client, "COMMANDS": commands})


def as_html(facts: Facts, version: str, client: str) -> str:
    """One document without scripts or anything from elsewhere."""
    commands = "\n".join(
        f'<dt><a href="/setup/{one.name}">{escape(one.title)}</a></dt>'
        f'<dd><pre tabindex="0" aria-label="Command for {escape(one.title)}">{escape(one.command(facts))}</pre></dd>'
        for one in PLATFORMS
    )
    said = {name: escape(value) for name, value in facts.values().items()}
    said |= {"VERSION": escape(version), "CLIENT": escape(client), "COMMANDS": commands}
    return fill(template("index.html"), said)
