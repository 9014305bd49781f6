"""The proxy port's own pages: what it is, the CA that clients must trust, and how to set them up."""

import time
from collections.abc import Awaitable, Callable, Sequence

from regproxy import __version__
from regproxy.model.address import parse_authority
from regproxy.model.sighting import Sighting
from regproxy.proxy.edge import Page, Visit
from regproxy.setup.doctor import as_html as doctor_as_html
from regproxy.setup.doctor import as_text as doctor_as_text
from regproxy.setup.doctor import findings
from regproxy.setup.facts import HTTP_PORT, Facts
from regproxy.setup.page import as_html, as_text
from regproxy.setup.platforms import platform

_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"


class Pages:
    """Serves `/`, `/ca.crt`, `/ca.sha256`, `/setup/…` and `/doctor`; scripts name the proxy as the client named it."""

    def __init__(
        self,
        certificates: Callable[[], bytes],
        fingerprint: Callable[[], str],
        probe: Callable[[], str],
        sightings: Callable[[str], Awaitable[Sequence[Sighting]]],
    ) -> None:
        """The first two say what clients must trust now, the third names a registry that scripts try the proxy with.

        The fourth says what happened to a client.
        """
        self._sightings = sightings
        self._certificates = certificates
        self._fingerprint = fingerprint
        self._probe = probe

    async def page(self, visit: Visit) -> Page | None:
        """The page at that path; raises ValueError where a client names no host that could stand in a script."""
        match visit.path.strip("/").split("/"):
            case [""]:
                return self._front(visit)
            case ["ca.crt"]:
                return Page("application/x-x509-ca-cert", self._certificates(), trusted=True)
            case ["ca.sha256"]:
                return Page(_TEXT, f"{self._fingerprint()}\n".encode())
            case ["setup", name] if (found := platform(name)) is not None:
                return Page(_TEXT, found.text(self._facts(visit)).encode(), trusted=True)
            case ["doctor"]:
                return await self._doctor(visit)
            case _:
                return None

    def _front(self, visit: Visit) -> Page:
        facts = self._facts(visit)
        if visit.browser:
            return Page(_HTML, as_html(facts, __version__, visit.client).encode())
        return Page(_TEXT, as_text(facts, __version__, visit.client).encode())

    async def _doctor(self, visit: Visit) -> Page:
        facts = self._facts(visit)
        found = findings(await self._sightings(visit.client), facts, visit.client, time.time())
        if visit.browser:
            return Page(_HTML, doctor_as_html(found, facts, visit.client).encode())
        return Page(_TEXT, doctor_as_text(found, facts, visit.client).encode())

    def _facts(self, visit: Visit) -> Facts:
        proxy = parse_authority(visit.host, HTTP_PORT)
        return Facts(proxy, self._certificates().decode("ascii"), self._fingerprint(), self._probe())
