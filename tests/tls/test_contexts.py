"""Contexts: real handshakes with a client that trusts this CA alone, renewal, and a bound."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from regproxy.model.answer import CoreAway
from regproxy.model.leaf import Leaf, NotValidNow
from regproxy.tls.authority import CertificateAuthority, create, load
from regproxy.tls.contexts import MAX_CONTEXTS, Contexts, server_context
from tests.tls.making import DAY, NOW, make, place


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Seen:
    """What a client saw of a server that it accepted."""

    certificate: bytes
    cipher: tuple[str, str, int] | None
    protocol: str | None

    @property
    def names(self) -> list[str]:
        parsed = x509.load_der_x509_certificate(self.certificate)
        return parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        )


class Asked:
    """Contexts over a CA at hand, asked from outside a loop."""

    def __init__(self, ca: CertificateAuthority, clock: Callable[[], float]) -> None:
        async def issue(name: str) -> Leaf:
            if self.away:
                raise CoreAway("the core is away")
            return ca.issue(name, clock())

        self.away = False
        self._contexts = Contexts(issue, clock)

    def __len__(self) -> int:
        return len(self._contexts)

    def context(self, name: str) -> ssl.SSLContext:
        """The context for a name."""
        made = self._contexts.made(name)
        found = asyncio.run(self._contexts.context(name))
        assert made in {None, found}
        return found

    def made(self, name: str) -> ssl.SSLContext | None:
        """The context for a name, if there is one that need not be renewed."""
        return self._contexts.made(name)


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> Seen:
    """One handshake over a socket pair; raises what the client raises."""
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.settimeout(10)

    def accept() -> None:
        with ours, contextlib.suppress(OSError), server.wrap_socket(ours, server_side=True) as stream:
            stream.recv(1)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        with theirs, client.wrap_socket(theirs, server_hostname=name) as stream:
            return Seen(stream.getpeercert(binary_form=True) or b"", stream.cipher(), stream.selected_alpn_protocol())
    finally:
        thread.join(10)


def _client(pem: bytes) -> ssl.SSLContext:
    """A client that trusts nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem.decode())
    return context


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    return create(tmp_path / "ca", ["quay.io", "docker.io"], time.time())


@pytest.mark.parametrize("name", ["quay.io", "cdn01.quay.io", "registry-1.docker.io"])
def test_a_client_that_trusts_only_this_ca_accepts_a_permitted_name(ca: CertificateAuthority, name: str) -> None:
    context = Asked(ca, time.time).context(name)
    assert _handshake(context, _client(ca.pem), name).names == [name]


@pytest.mark.parametrize(("name", "reason"), [("bank.example", "permitted subtree"), ("10.0.0.1", "excluded subtree")])
def test_a_stolen_key_is_worthless_for_other_names(ca: CertificateAuthority, name: str, reason: str) -> None:
    with pytest.raises(ValueError, match="does not permit"):
        Asked(ca, time.time).context(name)
    forged = server_context(ca._mint.sign(name, time.time()))
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        _handshake(forged, _client(ca.pem), name)


def test_a_leaf_is_not_accepted_for_a_sibling_name(ca: CertificateAuthority) -> None:
    context = Asked(ca, time.time).context("quay.io")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _handshake(context, _client(ca.pem), "cdn.quay.io")


def test_a_client_that_trusts_only_the_corporate_root_accepts_the_chain(tmp_path: Path) -> None:
    root = make("root", begins=time.time() - DAY, ends=time.time() + DAY)
    issuing = make("issuing", root, begins=time.time() - DAY, ends=time.time() + DAY)
    ca = load(place(tmp_path, issuing.pem, issuing.key_pem()))
    _handshake(Asked(ca, time.time).context("quay.io"), _client(root.pem), "quay.io")


def test_clients_choose_the_cipher_and_speak_http_1_1(ca: CertificateAuthority) -> None:
    context = Asked(ca, time.time).context("quay.io")
    client = _client(ca.pem)
    client.set_alpn_protocols(["h2", "http/1.1"])
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    for cipher in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
        client.set_ciphers(f"{cipher}:ECDHE-ECDSA-AES256-GCM-SHA384")
        seen = _handshake(context, client, "quay.io")
        assert seen.cipher == (cipher, "TLSv1.2", 256 if "CHACHA" in cipher else 128)
        assert seen.protocol == "http/1.1"


def test_a_client_that_offers_only_http_2_is_not_turned_away_in_the_handshake(ca: CertificateAuthority) -> None:
    client = _client(ca.pem)
    client.set_alpn_protocols(["h2"])
    assert _handshake(Asked(ca, time.time).context("quay.io"), client, "quay.io").protocol is None


def test_tls_1_1_is_refused(ca: CertificateAuthority) -> None:
    client = _client(ca.pem)
    client.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        _handshake(Asked(ca, time.time).context("quay.io"), client, "quay.io")


def test_a_context_is_kept_for_two_thirds_of_its_leaf_and_then_renewed(tmp_path: Path) -> None:
    clock = Clock(NOW)
    contexts = Asked(create(tmp_path, ["quay.io"], NOW), clock)
    first = contexts.context("quay.io")
    clock.now = NOW + 47 * 3600
    assert contexts.context("quay.io") is first
    clock.now = NOW + 48 * 3600
    second = contexts.context("quay.io")
    assert second is not first
    assert contexts.context("quay.io") is second
    assert len(contexts) == 1


def test_while_the_core_is_away_a_leaf_serves_to_its_end(tmp_path: Path) -> None:
    clock = Clock(NOW)
    contexts = Asked(create(tmp_path, ["quay.io"], NOW), clock)
    first = contexts.context("quay.io")
    contexts.away = True
    clock.now = NOW + 70 * 3600
    assert contexts.context("quay.io") is first
    with pytest.raises(CoreAway):
        contexts.context("other.quay.io")
    clock.now = NOW + 72 * 3600
    with pytest.raises(CoreAway):
        contexts.context("quay.io")


def test_ten_years_of_renewals_never_hand_out_an_ended_leaf(tmp_path: Path) -> None:
    ca = create(tmp_path, ["quay.io"], NOW)
    leaf, now = ca.issue("quay.io", NOW), NOW
    while now < ca.not_after - DAY:
        now += 1.9 * DAY
        if not leaf.serves(now):
            leaf = ca.issue("quay.io", now)
        assert leaf.not_before <= now < leaf.not_after <= ca.not_after
    with pytest.raises(NotValidNow, match="ended"):
        Asked(ca, Clock(ca.not_after)).context("quay.io")


def test_after_another_ca_every_name_is_asked_for_anew_also_one_that_was_on_its_way(tmp_path: Path) -> None:
    ca = create(tmp_path, ["quay.io"], NOW)
    asked: asyncio.Future[None]

    async def issue(name: str) -> Leaf:
        leaf = ca.issue(name, NOW)
        if name == "slow.quay.io":
            await asked
        return leaf

    async def story() -> None:
        nonlocal asked
        asked = asyncio.get_running_loop().create_future()
        contexts = Contexts(issue, Clock(NOW))
        first = await contexts.context("quay.io")
        slow = asyncio.ensure_future(contexts.context("slow.quay.io"))
        await asyncio.sleep(0)
        contexts.forget()
        assert contexts.made("quay.io") is None
        assert await contexts.context("quay.io") is not first
        asked.set_result(None)
        assert await slow is not None
        assert contexts.made("slow.quay.io") is None, "it was signed before"

    asyncio.run(story())


def test_the_least_recently_used_context_leaves_first(tmp_path: Path) -> None:
    contexts = Asked(create(tmp_path, ["quay.io"], NOW), Clock(NOW))
    first, second = contexts.context("n0.quay.io"), contexts.context("n1.quay.io")
    for number in range(2, MAX_CONTEXTS):
        contexts.context(f"n{number}.quay.io")
    assert contexts.context("n0.quay.io") is first
    contexts.context("one-more.quay.io")
    assert len(contexts) == MAX_CONTEXTS
    assert contexts.context("n0.quay.io") is first
    assert contexts.context("n1.quay.io") is not second


def test_a_new_context_leaves_no_open_file_and_writes_none(ca: CertificateAuthority, tmp_path: Path) -> None:
    contexts = Asked(ca, time.time)
    before = sorted(Path("/proc/self/fd").iterdir())
    files = sorted(tmp_path.rglob("*"))
    for number in range(20):
        contexts.context(f"n{number}.quay.io")
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    assert sorted(tmp_path.rglob("*")) == files


def test_a_new_name_costs_milliseconds(ca: CertificateAuthority) -> None:
    contexts = Asked(ca, time.time)
    contexts.context("warm.quay.io")
    started = time.process_time()
    for number in range(50):
        contexts.context(f"n{number}.quay.io")
    assert (time.process_time() - started) / 50 < 0.01


def test_the_leaf_of_a_context_is_the_one_clients_see(ca: CertificateAuthority) -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    seen = _handshake(Asked(ca, time.time).context("quay.io"), client, "quay.io")
    certificate = x509.load_der_x509_certificate(seen.certificate)
    assert certificate.issuer.rfc4514_string() == ca.subject
