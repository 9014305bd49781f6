"""RP601: a file that `policy fmt` would write otherwise."""

from regproxy.policy.diagnostic import Diagnostic, note
from regproxy.policy.format import formatted
from regproxy.policy.source import Source, Span


def layout(source: Source) -> tuple[Diagnostic, ...]:
    """The first line of a text that is not in the one layout, if there is one."""
    wanted = formatted(source.text).splitlines()
    written = source.text.splitlines()
    if wanted == written:
        return ()
    at = next((at for at, pair in enumerate(zip(written, wanted, strict=False)) if pair[0] != pair[1]), None)
    number = at if at is not None else min(len(written), len(wanted))
    start = sum(len(line) for line in source.text.splitlines(keepends=True)[:number])
    first = written[number] if number < len(written) else ""
    place = Span(source, start, start + len(first))
    return (note("RP601", place, "the file is not laid out from here on", help="run `regproxy policy fmt` on it"),)
