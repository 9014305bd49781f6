"""Values to hosts and addresses: the types of arguments that say where somebody connects."""

import ipaddress
from collections.abc import Callable, Mapping

from regproxy.model.address import parse_authority
from regproxy.policy.connecting import is_literal
from regproxy.policy.diagnostic import Diagnostic, error, replaced
from regproxy.policy.given import Cidr, Endpoint, Given, Host
from regproxy.policy.pattern import Anchor, compile_glob
from regproxy.policy.syntax import Integer, Text, Value, Word

Converted = Given | Diagnostic | None


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


def _direct(value: Value) -> Converted:
    """A range of addresses where there is a slash, which no host has."""
    return _cidr(value) if isinstance(value, Text) and "/" in value.text else _host_glob(value)


HOST_TYPES: Mapping[str, tuple[str, Callable[[Value], Converted]]] = {
    "HOST": ('a host such as "quay.io"', _host),
    "HOST_PATTERN": ('a host such as "quay.io" or "*.gcr.io"', _host_pattern),
    "HOST_GLOB": ('a host pattern such as "**.example.com"', _host_glob),
    "ENDPOINT": ('an address to dial such as "10.0.0.5:5000"', _endpoint),
    "CIDR": ('a range of addresses such as "10.0.0.0/8"', _cidr),
    "DIRECT": ('a host pattern or a range of addresses such as "**.example.com" or "10.0.0.0/8"', _direct),
    "PORT": ("a port such as 443", _port),
}
