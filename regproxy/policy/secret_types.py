"""Values that are secrets, or say where one lies: never a literal, always a file or a variable."""

import re
from collections.abc import Callable, Mapping

from regproxy.model.address import Authority, parse_authority
from regproxy.policy.diagnostic import Diagnostic, error, literal_secret
from regproxy.policy.given import Endpoint, Given
from regproxy.policy.pattern import compile_glob
from regproxy.policy.syntax import Text, Value, Word

Converted = Given | Diagnostic | None

MAX_USER = 200
_HELPER = re.compile(r"docker-credential-[A-Za-z0-9][A-Za-z0-9_.-]{0,80}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")


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


def _user(value: Value) -> Converted:
    """A user of Basic (RFC 7617): the first colon ends the name, and no control character may stand in it."""
    if not isinstance(value, Text):
        return None
    if 0 < len(value.text) <= MAX_USER and value.text.isprintable() and ":" not in value.text:
        return value
    return error("RP108", value.span, f"a user name is printable, 1 to {MAX_USER} characters, without `:`")


def _helper(value: Value) -> Converted:
    """A name and no path: which directory it is in is for who starts the proxy to say."""
    if not isinstance(value, Text):
        return None
    if _HELPER.match(value.text):
        return value
    sentence = "a credential helper is a program by the name of `docker-credential-…`"
    return error(
        "RP108", value.span, sentence, help='like "docker-credential-ecr-login", in the directory of --helper-dir'
    )


def _variable(value: Value) -> Converted:
    if not isinstance(value, Word | Text):
        return None
    if not _VARIABLE.match(value.text):
        sentence = "a variable has a name of letters, digits and `_`"
        return error("RP108", value.span, sentence, help="like REGISTRY_PROXY")
    return Text(value.text, value.span)


def _repo_glob(value: Value) -> Converted:
    """A glob over repositories, checked here and compiled again where it is used."""
    if not isinstance(value, Text):
        return None
    try:
        compile_glob(value.text)
    except ValueError as wrong:
        return error("RP207", value.span, str(wrong))
    return value


def _group(value: Value) -> Converted:
    return value if isinstance(value, Word) else None


SECRET_TYPES: Mapping[str, tuple[str, Callable[[Value], Converted]]] = {
    "PROXY": ('the URL of a proxy such as "http://proxy.example:3128"', _proxy),
    "SECRET_FILE": ('the path of a file such as "/run/secrets/proxy"', _secret_file),
    "USER": ('the name of a user such as "ci"', _user),
    "REPO_GLOB": ('a pattern of repositories such as "team/**"', _repo_glob),
    "HELPER": ('a credential helper such as "docker-credential-ecr-login"', _helper),
    "GROUP": ("the name of a client-group", _group),
    "VARIABLE": ("the name of a variable such as REGISTRY_PROXY", _variable),
}
