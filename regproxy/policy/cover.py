"""What a policy needs of where it runs: a CA that may sign for its hosts, and credential helpers that can be run."""

from collections.abc import Callable, Iterator

from regproxy.model.lending import Helper
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


def unrunnable(policy: Policy, hindrance: Callable[[str], str]) -> Iterator[Diagnostic]:
    """RP306, for each helper that `hindrance` has a sentence about."""
    places = {host.registry: host.span for host in reversed(policy.hosts)}
    for registry in policy.registries:
        for lending in registry.auth:
            if isinstance(lending.source, Helper) and (why := hindrance(lending.source.command)):
                yield error("RP306", places[registry.name], f"registry `{registry.name}`: {why}")


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
