"""RP310: every host that the policy intercepts must be one that the CA may sign for."""

from collections.abc import Callable

from regproxy.policy.connecting import is_literal
from regproxy.policy.diagnostic import Diagnostic, error
from regproxy.policy.policy import Policy
from regproxy.policy.registries import NamedHost


def uncovered(policy: Policy, permits: Callable[[str], bool]) -> tuple[Diagnostic, ...]:
    """The hosts that the CA does not cover; `permits` says whether there is a certificate for a name.

    Registries that speak plain HTTP or are not intercepted need no certificate.
    """
    needing = {block.name for block in policy.registries if block.intercept and block.scheme == "https"}
    return tuple(not_covered(host) for host in policy.hosts if host.registry in needing and not permits(_name(host)))


def _name(host: NamedHost) -> str:
    """What a certificate for it names, without its port."""
    return f"*.{host.pattern.host}" if host.pattern.wildcard else host.pattern.host


def not_covered(host: NamedHost) -> Diagnostic:
    """The diagnostic for one host."""
    name = host.pattern.host
    wider = f"make a CA that does (`regproxy ca rotate --prepare --ca-permit {name}`)"
    way = "give it a DNS name" if is_literal(name) else wider
    other = f"have another CA certify it (`regproxy ca issue --csr '{_name(host)}'`)"
    return error(
        "RP310",
        host.span,
        f"the CA does not cover `{host.pattern}`, so registry `{host.registry}` cannot be intercepted",
        note="the CA is limited to names; what the policy names is never tunnelled by accident",
        help=f"{way}, {other}, or write `intercept off;` in the block",
    )
