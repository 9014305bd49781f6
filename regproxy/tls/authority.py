"""The CA: made once with name constraints, or brought by the operator; loaded with every doubt a sentence."""

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from regproxy.model.leaf import Leaf, NotValidNow
from regproxy.tls.constraints import constraints_of, extension
from regproxy.tls.files import read_pair
from regproxy.tls.issuer import Issuer, read_issuer
from regproxy.tls.leaf import Mint, key_pem, key_usage, pem_of, random_serial, signature_hash, utc
from regproxy.tls.placing import write_pair
from regproxy.tls.seal import Seal

LIFETIME = 3652 * 86400.0
BACKDATE = 86400.0
EXPIRY_NOTICE = 30 * 86400.0


class CertificateAuthority:
    """A loaded CA: what it is, which names clients accept from it, and leaves for those names."""

    def __init__(self, path: Path, issuer: Issuer) -> None:
        """`path` is the certificate file, which messages and `ca show` name."""
        self.path = path
        self.chain = issuer.chain
        self._constraints = tuple(found for found in map(constraints_of, issuer.chain) if found is not None)
        self.not_before = max(certificate.not_valid_before_utc.timestamp() for certificate in self.chain)
        self.not_after = min(certificate.not_valid_after_utc.timestamp() for certificate in self.chain)
        above = pem_of(certificate for certificate in issuer.chain if not _is_root(certificate))
        self._mint = Mint(issuer.chain[0], issuer.key, above, self.not_after)
        self.seal = Seal.of(issuer.key)
        self.warnings = self._warnings(issuer)

    @property
    def root(self) -> x509.Certificate:
        """What clients must trust: the last certificate of the chain, its root wherever the file holds that."""
        return self.chain[-1]

    @property
    def pem(self) -> bytes:
        """The same for `/ca.crt`. Made from the parsed certificate, so never a stray key."""
        return pem_of([self.root])

    @property
    def subject(self) -> str:
        """The issuer's subject (RFC 4514)."""
        return self.chain[0].subject.rfc4514_string()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what clients must trust, as `openssl x509 -fingerprint -sha256` prints it of `/ca.crt`."""
        return self.root.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def constrained(self) -> bool:
        """Whether the chain limits the names that clients accept from it."""
        return any(constraints.permitted_names is not None for constraints in self._constraints)

    @property
    def permitted(self) -> tuple[str, ...]:
        """The DNS subtrees of the certificate nearest to the leaves that lists any; empty when unconstrained."""
        return next((found.permitted_names for found in self._constraints if found.permitted_names is not None), ())

    def permits(self, name: str) -> bool:
        """Whether clients accept a leaf for this canonical host: every certificate of the chain must let it pass."""
        return all(constraints.permits(name) for constraints in self._constraints)

    def issue(self, name: str, now: float) -> Leaf:
        """A fresh leaf for one canonical host; raises ValueError for a name it does not permit, and NotValidNow."""
        self._check(name, now)
        return self._mint.sign(name, now)

    def certify(self, names: Sequence[str], now: float, lifetime: float) -> tuple[bytes, bytes]:
        """A certificate with its chain, and its key, both PEM, for another server; raises as `issue` does."""
        for name in names:
            self._check(name, now)
        return self._mint.certify(names, now, lifetime)

    def _check(self, name: str, now: float) -> None:
        if not self.permits(name):
            raise ValueError(f"the CA {self.path} does not permit {name}: clients would refuse its certificate")
        lapse = self.lapse(now)
        if lapse is not None:
            raise NotValidNow(lapse)

    def lapse(self, now: float) -> str | None:
        """Why nothing can be signed now, in seconds since the epoch, or None."""
        if now >= self.not_after:
            return f"the CA {self.path} ended on {utc(self.not_after):%Y-%m-%d}"
        if now < self.not_before:
            return f"the CA {self.path} begins on {utc(self.not_before):%Y-%m-%d}, this clock says {utc(now):%Y-%m-%d}"
        return None

    def notice(self, now: float) -> str | None:
        """What the operator should know of its dates now, or None."""
        lapse = self.lapse(now)
        if lapse is not None:
            return f"{lapse}: until that is mended, nothing can be intercepted"
        if self.not_after - now >= EXPIRY_NOTICE:
            return None
        days = (self.not_after - now) / 86400
        return f"the CA {self.path} ends in {days:.0f} days ({utc(self.not_after):%Y-%m-%d}): then every pull fails"

    def _warnings(self, issuer: Issuer) -> tuple[str, ...]:
        said = []
        if not self.constrained:
            said.append(
                f"the CA {self.path} has no name constraints: whoever takes its key can impersonate any site "
                f"to your clients (it ends {utc(self.not_after):%Y-%m-%d})"
            )
        if issuer.seed_passphrase:
            said.append(
                f"the key of the CA {self.path} is encrypted with a published pass phrase, which protects nothing"
            )
        if not _is_root(self.root):
            said.append(
                f"{self.path} ends with {self.root.subject.rfc4514_string()}, no root, and /ca.crt hands that out; "
                f"append its issuer, {self.root.issuer.rfc4514_string()}, unless clients trust that already"
            )
        return tuple(said)


def load(directory: Path, passphrase_file: Path | None = None) -> CertificateAuthority:
    """The CA in a directory, by us, by the seed, or by the operator (RSA, chains and encrypted keys too).

    One that has ended is loaded, too: tunnels go on without it, and its successor is waited for. Raises
    FileNotFoundError when there is none at all; PermissionError and ValueError, naming the file and the way out, for
    everything that is there and cannot be used. Nothing here replaces a file.
    """
    pair = read_pair(directory)
    return CertificateAuthority(pair.path, read_issuer(pair, passphrase_file))


def create(directory: Path, permits: Sequence[str], now: float) -> CertificateAuthority:
    """Make a CA that can vouch for these names and those below them, for ten years, and nothing else.

    Raises ValueError for a permit that is no DNS name, FileExistsError when the directory holds a CA or a part of
    one, and PermissionError when it cannot be written.
    """
    constraints = extension(permits)
    key = ec.generate_private_key(ec.SECP256R1())
    serial = random_serial()
    # The serial's end in the name tells two CAs apart in a trust store.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "regproxy"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"regproxy CA {serial & 0xFFFFFFFF:08x}"),
        ]
    )
    certificate = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(utc(now - BACKDATE))
        .not_valid_after(utc(now + LIFETIME))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(constraints, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, signature_hash(key))
    )
    write_pair(directory, key_pem(key), certificate.public_bytes(serialization.Encoding.PEM))
    return load(directory)


def load_or_create(
    directory: Path, permits: Sequence[str], now: float, passphrase_file: Path | None = None
) -> CertificateAuthority:
    """The CA of a directory; `permits` counts only where there is none yet. Raises what `load` and `create` raise."""
    try:
        return load(directory, passphrase_file)
    except FileNotFoundError:
        try:
            return create(directory, permits, now)
        except FileExistsError:
            return load(directory, passphrase_file)


def _is_root(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer
