"""How a registry looks from here: what it allows, and whether it is asked at all."""

from dataclasses import dataclass

from regproxy.model.address import Authority


@dataclass(frozen=True, slots=True)
class Allowed:
    """Pulls that an account has left, as the registry said at `observed_at`; `window` in seconds, 0: not said."""

    account: str
    limit: int
    remaining: int
    window: int
    observed_at: float


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """One authority; the times are seconds since the epoch, 0 where nothing stands.

    `open_until`: it failed in a row, for `cause`, and is asked again then; `held_until`: it limits us (429);
    `blocked_until`: the operator does not want it asked.
    """

    authority: Authority
    cause: str = ""
    open_until: float = 0.0
    held_until: float = 0.0
    blocked_until: float = 0.0
    allowed: tuple[Allowed, ...] = ()
