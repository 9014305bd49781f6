"""The settings of `regproxy serve`: addresses, directories and times that need a restart to change."""

from dataclasses import dataclass
from pathlib import Path

DEFAULT_LISTEN = ("[::]:3128",)
DEFAULT_METRICS = "127.0.0.1:9128"
DEFAULT_DRAIN = 8.0


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What the flags of `serve` say; `drain` in seconds, `policy` None: the packaged one, or what the seed's say.

    `resume`: run the last good policy when the file does not load at start.
    """

    policy: Path | None
    cache_directory: Path
    ca_directory: Path
    ca_permits: tuple[str, ...] = ()
    ca_passphrase_file: Path | None = None
    listen: tuple[str, ...] = DEFAULT_LISTEN
    metrics: str = DEFAULT_METRICS
    drain: float = DEFAULT_DRAIN
    resume: bool = False
