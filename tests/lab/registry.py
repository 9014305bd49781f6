"""The real CNCF distribution as a registry: a plain push side, and a TLS side that the proxy sees.

Both sides are `docker-registry serve` on one storage folder. What the proxy asked for is read from the TLS side's own
access log, so "no request reached the registry" is the registry's word.
"""

import http.client
import json
import re
import secrets
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.certificates import Leaf
from tests.lab.images import Image
from tests.lab.processes import Process, Processes, answers, clean_environment, free_port, until
from tests.lab.tokens import ISSUER, SERVICE, TokenService

_LINE = re.compile(r'^\S+ - \S+ \[[^]]*\] "(\S+) (\S+) HTTP/[\d.]+" (\d+) (\d+) "[^"]*" "([^"]*)"$', re.MULTILINE)
_FENCE = "fence/"


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the registry's access log."""

    method: str
    path: str
    status: int
    bytes: int
    agent: str


class Registry:
    """A registry under the names of its certificate.

    With a token service every pull needs a token, with `accounts`, lines of htpasswd in bcrypt, a user and password.
    """

    def __init__(
        self,
        processes: Processes,
        directory: Path,
        name: str,
        leaf: Leaf,
        tokens: TokenService | None = None,
        accounts: str = "",
    ) -> None:
        self.name = name
        self.tokens = tokens
        self.push_port = free_port()
        self.port = free_port()
        self._seen = 0
        folder = directory / name
        (folder / "data").mkdir(parents=True)
        self._push = self._side(processes, folder, "push", {"addr": f"127.0.0.1:{self.push_port}"}, {})
        tls = {"certificate": str(leaf.certificate), "key": str(leaf.key)}
        auth = self._auth(folder / "htpasswd", tokens, accounts)
        self._tls = self._side(processes, folder, "tls", {"addr": f"127.0.0.1:{self.port}", "tls": tls}, auth)

    def _auth(self, file: Path, tokens: TokenService | None, accounts: str) -> dict[str, object]:
        if tokens is not None:
            realm = f"https://auth.{self.name.partition('.')[2]}/token"
            bundle = str(tokens.signer.bundle)
            return {"token": {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle}}
        if accounts:
            file.write_text(accounts)
            return {"htpasswd": {"realm": "registry", "path": str(file)}}
        return {}

    def _side(
        self, processes: Processes, folder: Path, side: str, listen: dict[str, object], auth: dict[str, object]
    ) -> Process:
        configuration: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": False}},
            "storage": {
                "filesystem": {"rootdirectory": str(folder / "data")},
                "delete": {"enabled": True},
                "redirect": {"disable": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {**listen, "secret": "x"},
        }
        if auth:
            configuration["auth"] = auth
        file = folder / f"{side}.yml"
        file.write_text(json.dumps(configuration))  # JSON is YAML
        environment = clean_environment(OTEL_TRACES_EXPORTER="none")
        return processes.add(f"{self.name}-{side}", ["docker-registry", "serve", str(file)], environment)

    def start(self) -> None:
        """Start what does not run, and wait until both sides answer."""
        for process, port in ((self._push, self.push_port), (self._tls, self.port)):
            if not process.running:
                process.start()
            process.wait_ready(lambda port=port: answers(port))  # type: ignore[misc]
        if self.tokens is not None:
            self.tokens.start()

    def stop(self) -> None:
        """The outage: TLS side and token service refuse connections. The push side stays."""
        self._tls.kill()
        if self.tokens is not None:
            self.tokens.stop()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """An outage for the length of a block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def push(self, image: Image, reference: str) -> str:
        """Put the image under `repository:tag`; its digest."""
        command = ["skopeo", "copy", "-q", "--all", "--preserve-digests", "--insecure-policy"]
        target = f"docker://127.0.0.1:{self.push_port}/{reference}"
        command += ["--dest-tls-verify=false", f"dir:{image.path}", target]
        done = subprocess.run(
            command, capture_output=True, text=True, env=clean_environment(), timeout=120, check=False
        )
        if done.returncode != 0:
            raise AssertionError(f"push of {reference} failed: {done.stderr}")
        return image.digest

    def requests(self) -> list[Request]:
        """Requests since the last `forget`, as the registry logged them, this module's own left out."""
        self._fence()
        lines = _LINE.findall(self._tls.output())[self._seen :]
        all_of_them = [
            Request(method, path, int(status), int(size), agent) for method, path, status, size, agent in lines
        ]
        return [request for request in all_of_them if not request.agent.startswith(_FENCE)]

    def forget(self) -> None:
        """Count from here."""
        self._fence()
        self._seen = len(_LINE.findall(self._tls.output()))
        if self.tokens is not None:
            self.tokens.requests.clear()

    def _fence(self) -> None:
        """Send a request of our own and wait for its line: whatever was answered before it is then logged as well."""
        if not self._tls.running:
            return
        agent = _FENCE + secrets.token_hex(4)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=5)
        connection.request("GET", "/v2/", headers={"User-Agent": agent})
        connection.getresponse().read()
        connection.close()
        until(lambda: agent in self._tls.output(), 20, f"{self.name}: {agent} in the access log")
