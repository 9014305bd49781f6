"""The authority that a request to the proxy itself names: in its target, and in Host, which may not say otherwise."""

from regproxy.model.address import Authority, parse_authority


def plain_authority(url: str) -> Authority:
    """The authority of an absolute-form target; raises ValueError."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() != "http":
        raise ValueError(f"{url[:80]!r} is not a URL that this proxy serves")
    return parse_authority(rest.partition("/")[0], 80)


def connect_authority(target: str, host: str | None) -> Authority:
    """The authority of a CONNECT; raises ValueError, also when Host names another."""
    authority = parse_authority(target)
    if host is not None and parse_authority(host, authority.port) != authority:
        raise ValueError(f"the Host field names {host[:80]}, the request line {target[:80]}")
    return authority
