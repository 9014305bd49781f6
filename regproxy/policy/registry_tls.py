"""The `tls { }` of a registry block: whom we believe, from which version on, and who we say we are."""

from collections.abc import Iterable

from regproxy.model.egress import ClientCertificate, TlsSettings
from regproxy.model.secret import Origin, Secret
from regproxy.policy.check import Checked
from regproxy.policy.diagnostic import Diagnostic, error, warning
from regproxy.policy.given import Entry
from regproxy.policy.include import Files
from regproxy.policy.syntax import Text, Word

_ENCRYPTED = "ENCRYPTED"


def ca_files(checked: Checked, found: list[Diagnostic]) -> Iterable[str]:
    """The files of certificate authorities that a registry block names."""
    for block in checked.inner("tls"):
        for entry in block.all("ca"):
            for given in entry.arguments:
                if not isinstance(given, Text):
                    continue
                if not given.text.startswith("/"):
                    found.append(error("RP108", given.span, "the path must be absolute", help='like "/etc/ssl/ca.pem"'))
                yield given.text


def tls_settings(checked: Checked, files: Files, found: list[Diagnostic]) -> TlsSettings:
    """Everything else that the block says of TLS."""
    client = _entry(checked, "client-certificate")
    version = _entry(checked, "min-version")
    return TlsSettings(
        verify=_verifies(_entry(checked, "verify"), found),
        min_version="1.3" if version is not None and _texts(version) == ("1.3",) else "1.2",
        client=_client(client, files, found) if client is not None else None,
    )


def _verifies(entry: Entry | None, found: list[Diagnostic]) -> bool:
    """RP307: a registry that nobody checks may be anybody."""
    match entry:
        case Entry(arguments=(Word("off"),), span=span):
            sentence = "whoever is on the way can answer as this registry, and move its tags"
            found.append(warning("RP307", span, sentence, help='name its CA instead: `ca file "/etc/ssl/own-ca.pem";`'))
            return False
        case _:
            return True


def _client(entry: Entry, files: Files, found: list[Diagnostic]) -> ClientCertificate | None:
    paths = _texts(entry)
    if len(paths) != len(_PARTS):
        return None
    chain, key = (_part(path, what, entry, files, found) for path, what in zip(paths, _PARTS, strict=True))
    if key is not None and _ENCRYPTED in key.value:
        sentence = f"the key in {key.origin.name} is encrypted"
        found.append(error("RP302", entry.span, sentence, help="keep it without a passphrase, readable by us alone"))
    return ClientCertificate(chain, key) if chain is not None and key is not None else None


_PARTS = ("CERTIFICATE-----", "PRIVATE KEY-----")


def _part(path: str, ending: str, entry: Entry, files: Files, found: list[Diagnostic]) -> Secret | None:
    """One of the two files; who can read the chain does not matter."""
    try:
        revealed = files.secret(Origin("file", path), lines=True)
    except ValueError as wrong:
        found.append(error("RP302", entry.span, str(wrong)))
        return None
    if ending not in revealed.secret.reveal():
        found.append(error("RP302", entry.span, f"{path} holds no {ending.strip('-').lower()} in PEM"))
        return None
    if revealed.exposed and ending == _PARTS[1]:
        sentence = f"{path} can be read by every user of the machine"
        found.append(warning("RP303", entry.span, sentence, help=f"chmod o-r {path}"))
    return revealed.secret


def _entry(checked: Checked, key: str) -> Entry | None:
    return next((entry for block in checked.inner("tls") for entry in block.all(key)), None)


def _texts(entry: Entry) -> tuple[str, ...]:
    return tuple(given.text for given in entry.arguments if isinstance(given, Text))
