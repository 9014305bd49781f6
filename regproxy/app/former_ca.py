"""Which CA a cache was served under: where that is known, an empty CA directory is no first start but a lost volume."""

import contextlib
from pathlib import Path

from regproxy.tls.files import holds_ca

NAME = "ca-sha256"
MAX_BYTES = 200


def remember(cache_directory: Path, fingerprint: str) -> None:
    """Write down which CA is in force; a disk that refuses is no reason not to serve."""
    with contextlib.suppress(OSError):
        draft = cache_directory / f"{NAME}.new"
        draft.write_text(f"{fingerprint}\n", encoding="ascii")
        draft.replace(cache_directory / NAME)


def refuse_lost(cache_directory: Path, ca_directory: Path) -> None:
    """Raise ValueError where a CA was in force and its directory is empty now: no client would trust another."""
    if holds_ca(ca_directory):
        return
    try:
        with (cache_directory / NAME).open(encoding="ascii") as file:
            former = file.read(MAX_BYTES).strip()
    except (OSError, ValueError):
        return
    raise ValueError(
        f"there is no CA in {ca_directory}, but clients were served under {former} until now: mount that directory, "
        f"or put the CA back; to have them trust another: regproxy ca init --ca-dir {ca_directory}"
    )
