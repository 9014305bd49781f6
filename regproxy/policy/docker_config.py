"""The logins in a docker `config.json`, as far as they are for hosts of a registry block."""

import json
from collections.abc import Iterator

from regproxy.model.address import Authority, parse_authority
from regproxy.model.login import BearerToken, IdentityToken, Login, Password
from regproxy.model.registry import Registry

# As `docker login` writes Docker Hub, whatever the registry itself is called.
_HUB_KEY = Authority("index.docker.io", 443)
_HUB = Authority("registry-1.docker.io", 443)


def read_logins(text: str, registry: Registry) -> tuple[tuple[Authority, Login], ...]:
    """One login for each host of the block that the file names; raises ValueError, in which no secret occurs."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise ValueError("the file is no JSON") from wrong
    auths = document.get("auths") if isinstance(document, dict) else None
    if not auths or not isinstance(auths, dict):
        return ()
    found: dict[Authority, Login] = {}
    for key, entry in auths.items():
        authority = _authority(key, registry)
        login = _login(key, entry) if authority is not None and isinstance(entry, dict) else None
        if authority is not None and login is not None:
            found.setdefault(authority, login)
    return tuple(found.items())


def _authority(key: str, registry: Registry) -> Authority | None:
    """The host of the block that a key such as `https://index.docker.io/v1/` means."""
    host = key.rpartition("://")[2].partition("/")[0]
    try:
        authority = parse_authority(host, 443)
    except ValueError:
        return None
    for meant in _meanings(authority):
        if registry.serves(meant):
            return registry.canonical(meant)
    return None


def _meanings(authority: Authority) -> Iterator[Authority]:
    yield authority
    if authority == _HUB_KEY:
        yield _HUB


def _login(key: str, entry: dict[str, object]) -> Login | None:
    identity, bearer, auth = (entry.get(name) for name in ("identitytoken", "registrytoken", "auth"))
    if isinstance(identity, str) and identity:
        return IdentityToken(identity)
    if isinstance(bearer, str) and bearer and all("!" <= character <= "~" for character in bearer):
        return BearerToken(bearer)
    if isinstance(auth, str) and auth:
        try:
            return Password.parse(f"Basic {auth}")
        except ValueError as wrong:
            raise ValueError(f"the `auth` of {key[:60]!r} is no user and password in base64") from wrong
    user, password = entry.get("username"), entry.get("password")
    if isinstance(user, str) and isinstance(password, str) and user:
        return Password(user, password)
    return None
