"""Mirror mode: the cache behind `http(s)://proxy/v2/…`, for clients that are told of a mirror instead of a proxy.

containerd names the registry that it means in `ns` (its `hosts.toml`); podman's mirrors have a path, so its host may
stand before the repository; dockerd's `registry-mirrors` are of Docker Hub, and say nothing.
"""

import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, urlencode

from regproxy.model.address import Authority, parse_authority
from regproxy.model.answer import Answer
from regproxy.model.message import Head
from regproxy.model.oci import TOKEN_PATH

HUB = Authority("registry-1.docker.io", 443)
_HUB_NAMES = frozenset({"docker.io", "index.docker.io"})
_ROOT = "/v2/"
MAX_PARAMETERS = 20
_REALM = re.compile(rf'realm="https?://[^"/]+{re.escape(TOKEN_PATH)}"')


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a request to the mirror means: `target` at the registry of `authority`.

    `namespace`: the registry as the client named it, empty where it did not.
    """

    authority: Authority
    target: str
    namespace: str = ""


def is_mirrored(target: str) -> bool:
    """Whether a request in origin form is one for the mirror."""
    return target.partition("?")[0] in ("/v2", _ROOT) or target.startswith(_ROOT)


def read_mirrored(target: str) -> Mirrored:
    """The registry that the request means; raises ValueError, a sentence, where that cannot be told."""
    path, _, query = target.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError as error:
        raise ValueError(f"the query has more than {MAX_PARAMETERS} parameters") from error
    named = [value for name, value in pairs if name == "ns"]
    if len(named) > 1:
        raise ValueError("the query names more than one registry (ns)")
    if named:
        rest = urlencode([(name, value) for name, value in pairs if name != "ns"], safe=":/,", quote_via=quote)
        return Mirrored(_authority(named[0]), f"{path}?{rest}" if rest else path, named[0])
    first, slash, rest = path.removeprefix(_ROOT).partition("/")
    if slash and "." in first and path != TOKEN_PATH:
        return Mirrored(_authority(first), f"{_ROOT}{rest}" + (f"?{query}" if query else ""), first)
    return Mirrored(HUB, target)


def _authority(name: str) -> Authority:
    return HUB if name in _HUB_NAMES else parse_authority(name, 443)


@dataclass(frozen=True, slots=True)
class Mirror:
    """How answers of a registry look to a client of the mirror at `base`, a scheme and an authority."""

    base: str
    mirrored: Mirrored

    def shown(self, answer: Answer) -> Answer:
        """The answer with our challenge leading here, and the registry that gave it (containerd's OCI-Namespace)."""
        head = answer.head
        fields = tuple(
            (name, self._challenge(value) if name.lower() == "www-authenticate" else value)
            for name, value in head.fields
        )
        if self.mirrored.namespace:
            fields = (*fields, ("OCI-Namespace", self.mirrored.namespace))
        return replace(answer, head=Head(head.status, fields, head.reason))

    def _challenge(self, value: str) -> str:
        name = quote(self.mirrored.authority.name, safe=":")
        return _REALM.sub(f'realm="{self.base}{TOKEN_PATH}?ns={name}"', value)
