"""The variable NO_PROXY, as the clients of registries read it (Go's golang.org/x/net/http/httpproxy)."""

import ipaddress

from regproxy.model.address import Network, canonical_host

MAX_ENTRIES = 1000


def read_no_proxy(text: str) -> tuple[tuple[str, ...], tuple[Network, ...]]:
    """Globs over hosts, and networks; raises ValueError, a sentence, for what is neither.

    `example.com` is that host and all below it, `.example.com` and `*.example.com` all below it, `*` is every host.
    """
    entries = [entry for part in text.split(",") if (entry := part.strip())]
    if len(entries) > MAX_ENTRIES:
        raise ValueError(f"more than {MAX_ENTRIES} hosts that no proxy is for")
    hosts: list[str] = []
    networks: list[Network] = []
    for entry in entries:
        network = _network(entry)
        if network is not None:
            networks.append(network)
        else:
            hosts += _globs(entry)
    return tuple(dict.fromkeys(hosts)), tuple(dict.fromkeys(networks))


def _network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


def _globs(entry: str) -> list[str]:
    if entry == "*":
        return ["**"]
    name = entry.removeprefix("*").removeprefix(".")
    try:
        host = canonical_host(name)
    except ValueError as wrong:
        raise ValueError(f'"{entry[:60]}" is no host without a port, no address and no range of addresses') from wrong
    return [f"**.{host}"] if name != entry else [host, f"**.{host}"]
