"""Reading a CA that others made."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from regproxy.tls.files import read_pair
from regproxy.tls.issuer import read_issuer
from regproxy.tls.leaf import key_usage
from tests.tls.making import Made, make, place

CLIENT_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


def test_an_rsa_ca_and_a_chain_are_read(tmp_path: Path) -> None:
    root = make("root")
    issuing = make("issuing", root, key=rsa.generate_private_key(65537, 2048), path_length=0)
    issuer = read_issuer(read_pair(place(tmp_path, issuing.pem + root.pem, issuing.key_pem())))
    assert issuer.chain == (issuing.certificate, root.certificate)
    assert issuer.key.public_key() == issuing.key.public_key()
    assert not issuer.seed_passphrase


@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_a_key_under_the_seeds_pass_phrase_opens(tmp_path: Path, form: serialization.PrivateFormat) -> None:
    seed = make("DockerMirrorBox CA Root", key=rsa.generate_private_key(65537, 2048))
    issuer = read_issuer(read_pair(place(tmp_path, seed.pem, seed.key_pem(b"foobar", form))))
    assert issuer.seed_passphrase
    assert issuer.key.public_key() == seed.key.public_key()


def test_the_operators_pass_phrase_is_tried_first_and_the_seeds_after_it(tmp_path: Path) -> None:
    own = make("own")
    phrase = tmp_path / "phrase"
    phrase.write_bytes(b"correct horse\n")
    assert not read_issuer(read_pair(place(tmp_path, own.pem, own.key_pem(b"correct horse"))), phrase).seed_passphrase
    assert read_issuer(read_pair(place(tmp_path, own.pem, own.key_pem(b"foobar"))), phrase).seed_passphrase


def test_a_key_that_no_pass_phrase_opens_names_the_variable(tmp_path: Path) -> None:
    own = make("own")
    pair = read_pair(place(tmp_path, own.pem, own.key_pem(b"unknown")))
    with pytest.raises(ValueError, match=r"ca\.key is encrypted .* REGPROXY_CA_PASSPHRASE_FILE"):
        read_issuer(pair)
    with pytest.raises(ValueError, match=r"missing: the pass phrase of the CA key cannot be read"):
        read_issuer(pair, tmp_path / "missing")


def _pair(*certificates: Made, key: Made | None = None) -> tuple[bytes, bytes]:
    return b"".join(made.pem for made in certificates), (key or certificates[0]).key_pem()


def _constrained_to(text: bytes) -> Made:
    """A CA with a constraint that nobody should write, 14 bytes long."""
    good = x509.NameConstraints([x509.DNSName("x.corp.example")], None).public_bytes()
    bad = x509.UnrecognizedExtension(x509.NameConstraints.oid, good.replace(b"x.corp.example", text))
    return make("constrained", extensions=(bad,))


ROOT = make("root")
NARROW_ROOT = make("narrow root", path_length=0)
UNUSABLE = {
    "another CA's key": (_pair(ROOT, key=make("other")), "is not the key of the first certificate"),
    "a leaf": (_pair(make("leaf", ca=False)), "is not a CA certificate"),
    "no basicConstraints": (_pair(make("v1-like", ca=None)), "has no basicConstraints"),
    "may not sign": (_pair(make("mute", extensions=(key_usage(digital_signature=True),))), "without keyCertSign"),
    "for clients only": (_pair(make("clients", extensions=(CLIENT_ONLY,))), "without serverAuth"),
    "root first": (_pair(ROOT, make("issuing", ROOT), key=ROOT), "the issuing CA stands first"),
    "a stranger's root": (_pair(make("issuing", ROOT), make("root")), "did not issue the one before it"),
    "too long a path": (
        _pair(make("issuing", NARROW_ROOT), NARROW_ROOT),
        "allows 0 CA certificates below it, and 1 are",
    ),
    "a short RSA key": (_pair(make("short", key=rsa.generate_private_key(65537, 1024))), "1024 bits; clients ask for"),
    "a curve that Go does not know": (
        _pair(make("exotic", key=ec.generate_private_key(ec.SECP256K1()))),
        "on secp256k1; clients know P-256",
    ),
    "a constraint with a star": (_pair(_constrained_to(b"*.corp.example")), "cannot be read: .* wildcard character"),
    "a constraint that is no name": (
        _pair(_constrained_to(b"corp..examples")),
        r"name constraint 'corp\.\.examples', which is no DNS subtree",
    ),
    "an unknown critical extension": (
        _pair(make("odd", extensions=(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"),))),
        r"critical extension 1\.2\.3\.4 that clients do not know",
    ),
    "no certificate": ((b"", ROOT.key_pem()), r"ca\.crt holds no certificate"),
    "no key": ((ROOT.pem, b"what?"), r"ca\.key holds no private key"),
}


@pytest.mark.parametrize(("files", "sentence"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_clients_would_refuse_is_refused_at_start(
    tmp_path: Path, files: tuple[bytes, bytes], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_issuer(read_pair(place(tmp_path, *files)))
