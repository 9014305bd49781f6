"""The proxy port's own pages: what it is, and the CA that clients must trust."""

from collections.abc import Callable

from regproxy.proxy.edge import Page

# The seed's probes look for this sentence.
WORKING = "docker-registry-proxy: The docker caching proxy is working!"
_HTML = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>regproxy</title>
<h1>regproxy is working</h1>
<p>This is a caching <code>HTTPS_PROXY</code> for container images. Trust <a href="/ca.crt">its CA certificate</a>,
then set <code>HTTPS_PROXY</code> to this address in the environment of dockerd, containerd or podman.</p>
<p>SHA-256 of the CA certificate: <code>{fingerprint}</code></p>
</html>
"""


class Pages:
    """Serves `/` and `/ca.crt`."""

    def __init__(self, certificates: Callable[[], bytes], fingerprint: Callable[[], str]) -> None:
        """The two say what clients must trust now."""
        self._certificates = certificates
        self._fingerprint = fingerprint

    def page(self, path: str, accept: str) -> Page | None:
        """The page at that path; browsers get HTML, probes the seed's sentence."""
        match path:
            case "/":
                if "text/html" in accept:
                    html = _HTML.format(fingerprint=self._fingerprint())
                    return Page("text/html; charset=utf-8", html.encode())
                return Page("text/plain; charset=utf-8", f"{WORKING}\n".encode())
            case "/ca.crt":
                return Page("application/x-x509-ca-cert", self._certificates())
            case _:
                return None
