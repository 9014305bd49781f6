"""What a script or page is filled with: where the proxy is, as its reader reaches it, and which CA it has."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from regproxy.model.address import Authority
from regproxy.model.registry import Registry

HTTP_PORT = 80
# Never asked through the proxy: this machine, its cloud's metadata, a cluster's own services, and private addresses.
# Clients match networks against addresses alone, so a registry with a name of its own is not bypassed by them.
NO_PROXY = (
    "localhost",
    "127.0.0.0/8",
    "::1",
    "169.254.0.0/16",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    ".svc",
    ".cluster.local",
)


def probe(registries: Iterable[Registry]) -> str:
    """A registry to try the proxy with: the first that is named in full and intercepted; empty where there is none."""
    named = (
        str(pattern)
        for registry in registries
        if registry.intercept and registry.scheme == "https"
        for pattern in registry.hosts
        if not pattern.wildcard
    )
    return next(named, "")


@dataclass(frozen=True, slots=True)
class Facts:
    """`certificate` is PEM, `fingerprint` its SHA-256; `probe` is a registry to try the proxy with, or empty."""

    proxy: Authority
    certificate: str
    fingerprint: str
    probe: str = ""

    @property
    def url(self) -> str:
        """The value of HTTPS_PROXY: canonical, so that nothing in it means anything to a shell."""
        return f"http://{self.proxy}"

    def values(self) -> dict[str, str]:
        """By the names that templates use."""
        pem = self.certificate.strip()
        return {
            "URL": self.url,
            "PROBE": self.probe,
            "CERTIFICATE": pem,
            "CERTIFICATE_BASE64": base64.b64encode(f"{pem}\n".encode()).decode(),
            "FINGERPRINT": self.fingerprint,
            "NO_PROXY": ",".join(NO_PROXY),
            "NO_PROXY_QUOTED": ", ".join(f'"{name}"' for name in NO_PROXY),
        }
