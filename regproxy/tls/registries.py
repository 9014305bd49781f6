"""Which names a new CA permits: the policy's hosts, the large public registries, and what the operator adds."""

from collections.abc import Iterable
from importlib.resources import files

from regproxy.model.registry import Registry
from regproxy.tls.constraints import as_address


def public_registries() -> tuple[str, ...]:
    """The packaged list of the large public registries' domains."""
    text = files("regproxy.tls").joinpath("public_registries.txt").read_text(encoding="ascii")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


def names_to_permit(registries: Iterable[Registry], extra: Iterable[str] = ()) -> tuple[str, ...]:
    """The permits of a new CA for this policy: hosts and aliases that are intercepted, the public list, and `extra`.

    Registries named by address are left out: the CA excludes every address, and the policy check reports them.
    """
    intercepted = [registry for registry in registries if registry.intercept]
    hosts = {pattern.host for registry in intercepted for pattern in registry.hosts}
    hosts |= {alias.host for registry in intercepted for alias in registry.aliases}
    named = sorted(host for host in hosts if as_address(host) is None)
    return (*named, *public_registries(), *extra)
