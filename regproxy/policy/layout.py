"""RP601: a file that `policy fmt` would write otherwise."""

from regproxy.policy.diagnostic import Diagnostic, note
from regproxy.policy.format import formatted
from regproxy.policy.source import Source, Span


def layout(source: Source) -> tuple[Diagnostic, ...]:
    """The first line of a text that is not in the one layout, if there is one."""
    written, wanted = source.text, formatted(source.text)
    if written == wanted:
        return ()
    shorter = min(len(written), len(wanted))
    at = next((at for at in range(shorter) if written[at] != wanted[at]), shorter)
    start, end = written.rfind("\n", 0, at) + 1, written.find("\n", at)
    place = Span(source, start, end if end >= 0 else len(written))
    return (note("RP601", place, "the file is not laid out from here on", help="run `regproxy policy fmt` on it"),)
