"""What a start begins with: the policy that was chosen, or the last good one, and a CA that covers it."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from regproxy.app.former_ca import refuse_lost
from regproxy.policy.cover import uncovered, unrunnable
from regproxy.policy.diagnostic import Diagnostic, Severity, in_brief, render
from regproxy.policy.policy import Policy
from regproxy.rehearsal.scenarios import failures
from regproxy.reload.last_good import NAME, last_good
from regproxy.reload.reading import Reading, Watched, read
from regproxy.settings.choose import Chosen, choose_policy, chosen_file, load_file
from regproxy.settings.serve import ServeSettings, TlsSettings
from regproxy.tls.constraints import as_address
from regproxy.tls.directory import Holdings, read_or_create
from regproxy.tls.own import OwnCertificate
from regproxy.tls.registries import names_to_permit
from regproxy.upstream.helper_process import program


class RefusedError(Exception):
    """The proxy cannot start; `lines` say why and the way out."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class _PolicyRefusedError(RefusedError):
    """The policy file is at fault: another policy may do. `sentences` say so in a line each."""

    def __init__(self, lines: Iterable[str], sentences: Iterable[str]) -> None:
        super().__init__(*lines)
        self.sentences = tuple(sentences)


@dataclass(frozen=True, slots=True)
class Start:
    """The policy to begin with, the sentence that says which and why, and warnings.

    `reading` is what was read of the policy file, None where the policy came from elsewhere; `resumed`: it is the
    last good one, in place of a file that does not load.
    """

    policy: Policy
    sentence: str
    warnings: tuple[str, ...]
    reading: Reading | None = None
    resumed: bool = False


def starting(settings: ServeSettings, environ: Mapping[str, str]) -> tuple[Start, Holdings]:
    """Choose, load and check; raises RefusedError, and ValueError for a wrong variable of the environment."""
    path = settings.policy
    if path is None:
        try:
            start = _made(choose_policy(None, environ))
        except OSError as error:
            raise RefusedError(f"error: {error}") from error
        return start, _authority(settings, start.policy)
    try:
        start = _from_file(path, environ)
        return start, _authority(settings, start.policy)
    except _PolicyRefusedError as refused:
        if not settings.resume:
            raise
        start = _resumed(path, settings.cache_directory / NAME, refused)
        return start, _authority(settings, start.policy)


def _made(chosen: Chosen, reading: Reading | None = None) -> Start:
    policy, diagnostics = chosen.loaded.policy, chosen.loaded.diagnostics
    if policy is None:
        raise _refused(diagnostics)
    return Start(policy, chosen.sentence, (*chosen.warnings, *in_brief(diagnostics)), reading)


def _refused(diagnostics: Iterable[Diagnostic]) -> _PolicyRefusedError:
    shown = [one for one in diagnostics if one.severity is not Severity.NOTE]
    return _PolicyRefusedError(map(render, shown), in_brief(shown))


def _from_file(path: Path, environ: Mapping[str, str]) -> Start:
    try:
        reading = read(lambda: load_file(path), Watched(frozenset({str(path)})))
    except OSError as error:
        raise _PolicyRefusedError([f"error: {error}"], [str(error)]) from error
    return _made(chosen_file(path, reading.loaded, environ), reading)


def _resumed(path: Path, directory: Path, refused: _PolicyRefusedError) -> Start:
    try:
        loaded = last_good(directory, load_file)
    except (OSError, ValueError) as error:
        raise RefusedError(*refused.lines, f"error: --resume: {error}") from error
    if loaded.policy is None:
        lines = ("error: --resume: the last good policy does not load either", *map(render, loaded.diagnostics))
        raise RefusedError(*refused.lines, *lines)
    sentence = f"policy: LAST GOOD ONE, {loaded.policy.name}, because {path} does not load; mend it: it is read again"
    return Start(loaded.policy, sentence, refused.sentences, resumed=True)


def own_certificate(tls: TlsSettings) -> OwnCertificate | None:
    """The operator's certificate for the proxy's name, where there is one; not read yet."""
    if tls.certificate is None or tls.key is None:
        return None
    return OwnCertificate(tls.name, tls.certificate, tls.key)


def _nameable(settings: ServeSettings, holdings: Holdings) -> None:
    """Raise RefusedError where no certificate for the proxy's own name can be had."""
    if not settings.listen_tls:
        return
    own, name = own_certificate(settings.tls), settings.tls.name
    if own is not None:
        try:
            own.leaf(time.time())
        except ValueError as error:
            raise RefusedError(f"error: --tls-certificate: {error}") from error
    elif not holdings.permits(name):
        raise RefusedError(
            f"error: the CA does not permit {name}, the proxy's name for --listen-tls: clients would refuse it",
            "  name the proxy as clients do, by --tls-name; bring a certificate, by --tls-certificate and --tls-key;",
            f"  or make the next CA permit it: regproxy ca rotate --prepare --ca-permit {name}",
        )


def _own_names(settings: ServeSettings) -> tuple[str, ...]:
    """The proxy's name, where a new CA can permit it."""
    name = settings.tls.name
    wanted = settings.listen_tls and settings.tls.certificate is None and as_address(name) is None
    return (name,) if wanted else ()


def _authority(settings: ServeSettings, policy: Policy) -> Holdings:
    names = names_to_permit(policy.registries, (*settings.ca_permits, *_own_names(settings)))
    try:
        refuse_lost(settings.cache_directory, settings.ca_directory)
        holdings = read_or_create(settings.ca_directory, names, time.time(), settings.ca_passphrase_file)
    except (OSError, ValueError) as error:
        raise RefusedError(f"error: {error}") from error
    stopping = unfit(policy, holdings, settings.helper_directory)
    if stopping:
        raise _refused(stopping)
    _nameable(settings, holdings)
    return holdings


def unfit(policy: Policy, holdings: Holdings, helpers: Path | None) -> tuple[Diagnostic, ...]:
    """What stops a policy that loads, at start and at a reload.

    Hosts that the CA does not cover, credential helpers that cannot be run, tests that fail.
    """

    def hindrance(command: str) -> str:
        try:
            program(helpers, command)
        except ValueError as error:
            return str(error)
        return ""

    return (*uncovered(policy, holdings.permits), *unrunnable(policy, hindrance), *failures(policy))
