"""Where one request ends and the next begins (RFC 9112): what two readers could see differently is refused.

Tornado is lenient in places (RFC 9112 lets it be), and tells of a head before it looks at how its body is framed. We
send what we read in bytes of our own; this keeps others in front of us from reading the client's bytes otherwise.
"""

import re

from tornado.httputil import HTTPHeaders, RequestStartLine

MAX_FIELDS = 100
_LENGTH = re.compile(r"[0-9]{1,18}\Z")
_VERSIONS = ("HTTP/1.1", "HTTP/1.0")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")

Fault = tuple[int, str]


def has_bare_line_feed(head: bytes) -> bool:
    """Whether a line of a head ends in LF alone: some end a line there, and some do not."""
    return _BARE_LINE_FEED.search(head) is not None


def fault(line: RequestStartLine, headers: HTTPHeaders) -> Fault | None:
    """Status and sentence for a head that is not served, whatever it asks for."""
    if line.version not in _VERSIONS:
        return 505, f"{line.version} is not served, only HTTP/1.1"
    if sum(1 for _ in headers.get_all()) > MAX_FIELDS:
        return 431, f"the request has more than {MAX_FIELDS} fields"
    lengths, codings = headers.get_list("Content-Length"), headers.get_list("Transfer-Encoding")
    if len(lengths) > 1 or not all(map(_LENGTH.match, lengths)):
        return 400, "Content-Length is not one number"
    if codings and (lengths or len(codings) > 1 or codings[0].lower() != "chunked" or line.version == "HTTP/1.0"):
        return 400, "a body comes in chunks or with a Content-Length, and in HTTP/1.0 not in chunks"
    if line.method == "CONNECT" and (codings or lengths not in ([], ["0"])):
        return 400, "a CONNECT has no body"
    expected = headers.get_list("Expect")
    if expected and expected != ["100-continue"]:
        return 417, "only 100-continue is expected of us"
    return None
