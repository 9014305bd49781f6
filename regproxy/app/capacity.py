"""How many connections a process may serve: as many as leave descriptors for everything else."""

import resource

from regproxy.proxy.crowd import Capacity

# What one connection may need at once: its socket, and a file, a tunnel's other end or a body's socket pair.
DESCRIPTORS_EACH = 3
# TLS with the proxy around it goes through a socket pair of its own.
DESCRIPTORS_IN_TLS = 5
# For registries, content that is written, the index, metrics and the admin socket: so that they answer whoever comes.
RESERVED = 512
MAX_DESCRIPTORS = 1 << 20
SHARE_OF_ONE_CLIENT = 0.5


def claim_descriptors() -> int:
    """Take as many descriptors as this process is allowed to have; how many these are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def capacity(descriptors: int, total: int | None, each: int | None, workers: int, *, secured: bool) -> Capacity:
    """What one of so many workers may serve; `total` and `each` are what the operator said for all of them.

    `secured`: clients may speak TLS with the proxy.
    """
    one = DESCRIPTORS_IN_TLS if secured else DESCRIPTORS_EACH
    room = max(1, (descriptors - min(RESERVED, descriptors // 2)) // one)
    most = room if total is None else min(room, max(1, total // workers))
    share = max(1, int(most * SHARE_OF_ONE_CLIENT)) if each is None else max(1, each // workers)
    return Capacity(most, min(most, share))
