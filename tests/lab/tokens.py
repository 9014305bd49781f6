"""A token service such as auth.docker.io: HTTPS, RS256 tokens with x5c, as CNCF distribution 2.8 verifies them."""

import base64
import json
import secrets
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.lab.certificates import Leaf, Signer
from tests.lab.processes import free_port

ISSUER = "test-issuer"
SERVICE = "registry.docker.io"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One request for a token; `user` is empty for an anonymous one."""

    method: str
    target: str
    user: str
    status: int


@dataclass(frozen=True, slots=True)
class Account:
    """Who may read a private repository."""

    user: str
    password: str


class TokenService:
    """Anyone may pull what is not in `private`, and who has an account may push it.

    What is in `private` needs its account, by Basic or by the OAuth2 form.
    """

    def __init__(self, leaf: Leaf, signer: Signer, private: Mapping[str, Account] | None = None) -> None:
        self.port = free_port()
        self.signer = signer
        self.requests: list[TokenRequest] = []
        self._leaf = leaf
        self._private = {repository: {owner} for repository, owner in (private or {}).items()}
        self._server: ThreadingHTTPServer | None = None
        self._thread: Thread | None = None

    def start(self) -> None:
        """Listen on `port`; nothing happens if it does already."""
        if self._server is not None:
            return
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_GET(self) -> None:
                self._answer(parse_qs(urlsplit(self.path).query))

            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length", "0"))
                self._answer(parse_qs(self.rfile.read(size).decode()))

            def _answer(self, form: dict[str, list[str]]) -> None:
                status, document = service.token(form, self.headers.get("Authorization", ""))
                user = service.account(form, self.headers.get("Authorization", ""))
                service.requests.append(TokenRequest(self.command, self.path, user.user if user else "", status))
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: `requests` is the log."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._leaf.certificate, self._leaf.key)
        self._server = _QuietServer(("127.0.0.1", self.port), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; connections are refused from now on."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> "TokenService":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def allow(self, repository: str, *owners: Account) -> None:
        """From now on these may read the private repository, and nobody else."""
        self._private[repository] = set(owners)

    def account(self, form: dict[str, list[str]], authorization: str) -> Account | None:
        """The credentials that came with a request, right or wrong."""
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "basic":
            user, _, password = base64.b64decode(value).decode().partition(":")
            return Account(user, password)
        if "username" in form:
            return Account(form["username"][0], form.get("password", [""])[0])
        return None

    def token(self, form: dict[str, list[str]], authorization: str) -> tuple[int, dict[str, object]]:
        """Status and document for one request."""
        account = self.account(form, authorization)
        if account is not None and not any(account in owners for owners in self._private.values()):
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]}
        access = [
            grant for scope in form.get("scope", []) for each in scope.split() if (grant := self._grant(each, account))
        ]
        token = self._sign(access, account.user if account else "")
        return 200, {"token": token, "access_token": token, "expires_in": 300}

    def _grant(self, scope: str, account: Account | None) -> dict[str, object] | None:
        kind, _, rest = scope.partition(":")
        repository, _, actions = rest.rpartition(":")
        owners = self._private.get(repository)
        if kind != "repository" or (owners is not None and account not in owners):
            return None
        granted = {"pull"} if account is None else {"pull", "push", "delete"}
        given = sorted(granted.intersection(actions.split(",")))
        return {"type": kind, "name": repository, "actions": given} if given else None

    def _sign(self, access: list[dict[str, object]], subject: str) -> str:
        now = int(time.time())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(self.signer.der).decode()]}
        claims = {
            "iss": ISSUER,
            "sub": subject,
            "aud": SERVICE,
            "exp": now + 300,
            "nbf": now - 60,
            "iat": now,
            "jti": secrets.token_hex(8),
            "access": access,
        }
        signed = b".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = self.signer.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _base64url(signature)).decode()


class _QuietServer(ThreadingHTTPServer):
    """A client that leaves in the middle is no event here."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""

    def process_request_thread(self, request: ssl.SSLSocket, client_address: object) -> None:  # type: ignore[override]
        """Handshake in the connection's own thread, so that a silent client holds nobody up."""
        with suppress(OSError):
            request.settimeout(10)
            request.do_handshake()
            super().process_request_thread(request, client_address)


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
