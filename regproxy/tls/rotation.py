"""Rotating the CA: its successor is made and handed out first, signs later, and the former one stays trusted.

The folders `next` and `previous` are CA directories of their own. A CA moves from one into force file by file; a crash
in between is made good by whoever reads the directory next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from regproxy.tls.authority import CertificateAuthority, create, load
from regproxy.tls.placing import CERTIFICATE_FILE, NEXT, PREVIOUS, move_pair, remove_pair


class Stage(StrEnum):
    """How far a rotation is."""

    STEADY = "steady"
    PREPARED = "prepared"
    ACTIVATED = "activated"


@dataclass(frozen=True, slots=True)
class Rotation:
    """The CA in force, and the one that is to follow or came before; `since` in seconds since the epoch."""

    stage: Stage
    ca: CertificateAuthority
    other: CertificateAuthority | None = None
    since: float | None = None


def rotation(directory: Path, passphrase_file: Path | None = None) -> Rotation:
    """How things stand; raises what `authority.load` raises."""
    ca = load(directory, passphrase_file)
    # A move that has not begun leaves a copy of the CA in force behind, which is no former one.
    for stage, name in ((Stage.PREPARED, NEXT), (Stage.ACTIVATED, PREVIOUS)):
        try:
            other = load(directory / name, passphrase_file)
        except FileNotFoundError:
            continue
        if other.chain != ca.chain:
            return Rotation(stage, ca, other, other.path.stat().st_mtime)
    return Rotation(Stage.STEADY, ca)


def prepare(
    directory: Path, permits: Sequence[str], now: float, passphrase_file: Path | None = None
) -> CertificateAuthority:
    """Make the next CA; it permits what the one in force does, and `permits`.

    Raises ValueError while another rotation is under way, and what `create` raises.
    """
    found = _ours(directory, passphrase_file)
    if found.stage is not Stage.STEADY:
        raise ValueError(f"a rotation is {found.stage} already: go on with it, or end it by --abort or --finish")
    return create(directory / NEXT, (*permits, *filter(None, found.ca.permitted)), now)


def activate(directory: Path, now: float, passphrase_file: Path | None = None) -> CertificateAuthority:
    """Let the next CA sign, and keep the one in force as the previous one; raises ValueError where there is no next."""
    found = _ours(directory, passphrase_file)
    if found.stage is not Stage.PREPARED or found.other is None:
        raise ValueError(f"there is no CA in {directory / NEXT} to activate: make one with --prepare, or put it there")
    lapse = found.other.lapse(now)
    if lapse is not None:
        raise ValueError(lapse)
    move_pair(directory, NEXT, PREVIOUS)
    return load(directory, passphrase_file)


def abort(directory: Path, passphrase_file: Path | None = None) -> CertificateAuthority:
    """Go back one step: the previous CA signs again, and its successor waits; or the one that waits is given up."""
    found = rotation(directory, passphrase_file)
    match found.stage:
        case Stage.ACTIVATED:
            move_pair(directory, PREVIOUS, NEXT)
        case Stage.PREPARED:
            remove_pair(directory / NEXT)
        case Stage.STEADY:
            raise ValueError(f"no rotation is under way in {directory}")
    return load(directory, passphrase_file)


def finish(directory: Path, passphrase_file: Path | None = None) -> CertificateAuthority:
    """Hand out the previous CA no longer, and delete its key; raises ValueError where there is none."""
    ca = load(directory, passphrase_file)
    if not (directory / PREVIOUS).is_dir():
        raise ValueError(f"there is no CA in {directory / PREVIOUS} to part from: see --status")
    remove_pair(directory / PREVIOUS)
    return ca


def _ours(directory: Path, passphrase_file: Path | None) -> Rotation:
    """How things stand, where the files are ours to move; raises ValueError for a mounted secret."""
    found = rotation(directory, passphrase_file)
    if found.ca.path.name != CERTIFICATE_FILE:
        raise ValueError(
            f"{found.ca.path} is a mounted secret: whoever fills it renews it, and it is taken in by itself"
        )
    return found
