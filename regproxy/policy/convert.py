"""Values to typed arguments: one function per type name of the schema's forms.

Each returns the typed argument, a Diagnostic when the value has the right shape but is wrong, or None when it is of
another type altogether.
"""

import ipaddress
import math
import re
from collections.abc import Callable, Mapping

from regproxy.model.address import Authority, parse_authority
from regproxy.model.decision import FailureClass, Failures
from regproxy.model.registry import MAX_CONCURRENT, MAX_PULLS
from regproxy.policy.connecting import is_literal
from regproxy.policy.diagnostic import Diagnostic, error, literal_secret, nearest, replaced
from regproxy.policy.given import Cidr, Endpoint, Failure, Given, Host
from regproxy.policy.pattern import Anchor, compile_glob
from regproxy.policy.scenario_types import SCENARIO_TYPES
from regproxy.policy.syntax import Duration, Frequency, Integer, Percent, Size, Statuses, Text, Value, Word

Converted = Given | Diagnostic | None

MAX_REASON = 200
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
EVERY_FAILURE = frozenset(FailureClass)
FAILURE_WORDS = (*(str(failure) for failure in FailureClass), "error", "5xx")


def _duration(value: Value) -> Converted:
    match value:
        case Duration():
            return value
        case Integer(number, span):
            return _no_unit(value, f"`{number}s`, `{number}m`, `{number}h` or `{number}d`", span.text)
        case _:
            return None


def _no_unit(value: Value, units: str, written: str) -> Diagnostic:
    return error("RP109", value.span, f"`{written}` has no unit", help=f"write {units}")


def _size(value: Value) -> Converted:
    match value:
        case Size(0, span):
            return error("RP108", span, "the size must be above zero")
        case Size():
            return value
        case Integer(number, span):
            return _no_unit(value, f"`{number}MiB` or `{number}GiB`", span.text)
        case _:
            return None


def _percent(value: Value) -> Converted:
    match value:
        case Percent(share, span) if share >= 1:
            return error("RP108", span, "the share must be below 100%")
        case Percent():
            return value
        case _:
            return None


def _rate(value: Value) -> Converted:
    match value:
        case Frequency(count, seconds, span) if not (0 < count <= MAX_PULLS and seconds):
            return error("RP108", span, f"a rate is 1 to {MAX_PULLS} in a time above zero", help="like `180/6h`")
        case Frequency():
            return value
        case Integer(number, span):
            return _no_unit(value, f"`{number}/6h` or `{number}/1d`", span.text)
        case _:
            return None


def _concurrency(value: Value) -> Converted:
    match value:
        case Integer(number, span) if not 0 < number <= MAX_CONCURRENT:
            return error("RP108", span, f"{number} requests at once are not possible", help=f"1 to {MAX_CONCURRENT}")
        case Integer():
            return value
        case _:
            return None


def _integer(value: Value) -> Converted:
    return value if isinstance(value, Integer) else None


def _text(value: Value) -> Converted:
    return value if isinstance(value, Text) else None


def _host(value: Value) -> Converted:
    return _any_host(value, wildcard=False)


def _host_pattern(value: Value) -> Converted:
    return _any_host(value, wildcard=True)


def _any_host(value: Value, *, wildcard: bool) -> Converted:
    """`host[:port]`; 0 stands for no port while parsing, since no port may be 0."""
    if not isinstance(value, Text | Word):
        return None
    star = value.text.startswith("*.")
    if star and not wildcard:
        return error("RP112", value.span, f'"{value.text}" must be one exact host, without `*`')
    if value.text.startswith(("http://", "https://")):
        plain = value.text.split("//", 1)[1].split("/", 1)[0].rpartition("@")[2]
        fix = replaced(value.span, f'"{plain}"')
        return error("RP112", value.span, "a host is written without a scheme", help=f'write "{plain}"', fix=fix)
    try:
        authority = parse_authority(value.text[2:] if star else value.text, 0)
    except ValueError as wrong:
        return error("RP112", value.span, str(wrong), help='write "host" or "host:port"; a leading "*." is one label')
    if star and is_literal(authority.host):
        return error("RP112", value.span, "`*.` stands before a name, not an address")
    return Host(authority.host, authority.port or None, star, value.span)


def _endpoint(value: Value) -> Converted:
    if not isinstance(value, Text):
        return None
    try:
        return Endpoint(parse_authority(value.text), value.span)
    except ValueError as wrong:
        return error("RP112", value.span, str(wrong), help='write "host:port", for example "10.0.0.5:5000"')


def _proxy(value: Value) -> Converted:
    """The URL of a proxy without credentials: with them it is a secret, and belongs into a file or a variable."""
    if not isinstance(value, Text):
        return None
    if "@" in value.text:
        return literal_secret(value.span, 'write `proxy file "/run/secrets/proxy";` or `proxy env PROXY;`')
    try:
        return Endpoint(proxy_authority(value.text), value.span)
    except ValueError as wrong:
        return error("RP112", value.span, str(wrong), help='write "http://host:port"')


def proxy_authority(url: str) -> Authority:
    """Host and port of the URL of an HTTP proxy; raises ValueError, in which the URL does not occur."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() != "http":
        raise ValueError("the URL of a proxy begins with http://")
    try:
        return parse_authority(rest.rpartition("@")[2].removesuffix("/"))
    except ValueError as wrong:
        raise ValueError("the URL of a proxy names a host and a port, such as http://proxy.example:3128") from wrong


def _secret_file(value: Value) -> Converted:
    if not isinstance(value, Text):
        return None
    if not value.text.startswith("/"):
        return error("RP108", value.span, "the path must be absolute", help='like "/run/secrets/proxy"')
    return value


def _variable(value: Value) -> Converted:
    if not isinstance(value, Word | Text):
        return None
    if not _VARIABLE.match(value.text):
        sentence = "a variable has a name of letters, digits and `_`"
        return error("RP108", value.span, sentence, help="like REGISTRY_PROXY")
    return Text(value.text, value.span)


def _cidr(value: Value) -> Converted:
    if not isinstance(value, Text):
        return None
    try:
        return Cidr(ipaddress.ip_network(value.text), value.span)
    except ValueError:
        try:
            wider = ipaddress.ip_network(value.text, strict=False)
        except ValueError:
            return error("RP112", value.span, f'"{value.text[:60]}" is no range of addresses', help='like "10.0.0.0/8"')
        sentence = f'"{value.text}" has bits set after its prefix'
        return error("RP112", value.span, sentence, help=f'write "{wider}"', fix=replaced(value.span, f'"{wider}"'))


def _port(value: Value) -> Converted:
    match value:
        case Integer(number, span):
            return value if 0 < number < 65536 else error("RP108", span, f"{number} is no port", help="1 to 65535")
        case _:
            return None


def _status(value: Value) -> Converted:
    match value:
        case Integer(number, span):
            wrong = error("RP108", span, f"{number} is no status to refuse with", help="400 to 599, mostly 403")
            return value if 400 <= number <= 599 else wrong
        case _:
            return None


def _reason(value: Value) -> Converted:
    """The text of `deny`: clients show it as the reason phrase."""
    if not isinstance(value, Text):
        return None
    if 0 < len(value.text) <= MAX_REASON and value.text.isascii() and value.text.isprintable():
        return value
    sentence = f"the text must be printable ASCII, 1 to {MAX_REASON} characters"
    return error("RP108", value.span, sentence, note="clients show it as the reason phrase of the response")


def _not_found(value: Value) -> Converted:
    match value:
        case Integer(404 | 410):
            return value
        case Integer(number, span):
            return error("RP108", span, f"{number} cannot be remembered", help="404 and 410 can")
        case _:
            return None


def _failure(value: Value) -> Converted:
    match value:
        case Word("error", span):
            return Failure(Failures(EVERY_FAILURE), span)
        case Word(text, span) if text in EVERY_FAILURE:
            return Failure(Failures(frozenset({FailureClass(text)})), span)
        case Word(text, span):
            return error("RP103", span, f"unknown failure class `{text}`", help=nearest(text, FAILURE_WORDS))
        case Statuses(5, span):
            return Failure(Failures(statuses=frozenset(range(500, 600))), span)
        case Statuses(hundreds, span):
            help_ = "only 5xx is a class of failures; list single codes of others, like 429"
            return error("RP103", span, f"`{hundreds}xx` is no failure class", help=help_)
        case Integer(number, span) if 400 <= number <= 599:
            return Failure(Failures(statuses=frozenset({number})), span)
        case Integer(number, span):
            return error("RP103", span, f"{number} is no failure", help="400 to 599")
        case _:
            return None


def _host_glob(value: Value) -> Converted:
    """A glob over hosts, checked here and compiled again where it is used."""
    if not isinstance(value, Text):
        return None
    text = value.text.lower()
    if text == "*":
        sentence = "`*` is one label of a host, so this matches no host with a dot"
        return error("RP208", value.span, sentence, help='write "**" for every host')
    if ":" in text and not text.startswith("["):
        return error("RP112", value.span, "tunnel rules name hosts without ports", help="ports stand in `ports`")
    try:
        compile_glob(text, Anchor.HOST)
    except ValueError as wrong:
        return error("RP207", value.span, str(wrong))
    return Text(text, value.span)


def forever(value: Value) -> Duration | None:
    """The word `forever` as a duration."""
    return Duration(math.inf, value.span) if isinstance(value, Word) and value.text == "forever" else None


TYPES: Mapping[str, tuple[str, Callable[[Value], Converted]]] = {
    "DURATION": ("a duration such as `10m`", _duration),
    "SIZE": ("a size such as `32GiB`", _size),
    "PERCENT": ("a percentage such as `10%`", _percent),
    "RATE": ("a rate such as `180/6h`", _rate),
    "CONCURRENCY": ("a number such as 32", _concurrency),
    "INTEGER": ("a number", _integer),
    "TEXT": ('a string in "…"', _text),
    "REASON": ('a string in "…"', _reason),
    "HOST": ('a host such as "quay.io"', _host),
    "HOST_PATTERN": ('a host such as "quay.io" or "*.gcr.io"', _host_pattern),
    "HOST_GLOB": ('a host pattern such as "**.example.com"', _host_glob),
    "ENDPOINT": ('an address to dial such as "10.0.0.5:5000"', _endpoint),
    "PROXY": ('the URL of a proxy such as "http://proxy.example:3128"', _proxy),
    "SECRET_FILE": ('the path of a file such as "/run/secrets/proxy"', _secret_file),
    "VARIABLE": ("the name of a variable such as REGISTRY_PROXY", _variable),
    "CIDR": ('a range of addresses such as "10.0.0.0/8"', _cidr),
    "PORT": ("a port such as 443", _port),
    "STATUS": ("a status such as 403", _status),
    "NOT_FOUND": ("404 or 410", _not_found),
    "FAILURE": ("a failure class such as `error`, `429` or `5xx`", _failure),
    **SCENARIO_TYPES,
}
