"""What people paste, as the request that the tiers see."""

from dataclasses import dataclass, replace

from regproxy.model.address import Authority
from regproxy.model.decision import PolicyRequest
from regproxy.model.oci import Kind, Malformed, OtherPath, Resource, classify
from regproxy.policy.policy import Policy
from regproxy.policy.reference import read_reference

_UNSEEN = "not intercepted, and so not cached"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A request to rehearse: where the client connects, and what the tiers see of it.

    `request` is None where no tier is asked; `note` then says why.
    """

    authority: Authority
    target: str
    method: str
    client: str
    user: str = ""
    request: PolicyRequest | None = None
    note: str = ""


def rehearse(policy: Policy, text: str, method: str = "GET", client: str = "", user: str = "") -> Rehearsed:
    """Read an image reference (`nginx:1.25`, `quay.io/a/b@sha256:…`) or a URL; raises ValueError in one sentence."""
    return rehearse_target(policy, *read_reference(policy.connecting, text), method, client, user)


def rehearse_target(
    policy: Policy, authority: Authority, target: str, method: str, client: str = "", user: str = ""
) -> Rehearsed:
    """A request for a target where a client connects to `authority`."""
    bare = Rehearsed(authority, target, method, client, user)
    registry = policy.registry_of(authority)
    if registry is None:
        return replace(bare, note=f"{_UNSEEN}: no registry block has {authority.name} among its `hosts`")
    if not registry.intercept:
        return replace(bare, note=f"{_UNSEEN}: registry {registry.name} says `intercept off`")
    canonical = registry.canonical(authority)
    found = classify(target)
    match found:
        case Resource():
            request = PolicyRequest(
                method=method,
                authority=str(canonical),
                registry=registry.name,
                kind=str(found.kind),
                path=found.path,
                repository=found.repository,
                tag=found.tag or "",
                digest=str(found.digest) if found.digest else "",
                client=client,
                user=user,
            )
            return replace(bare, request=request)
        case OtherPath():
            path = target.partition("?")[0]
            kind = str(Kind.OTHER)
            request = PolicyRequest(method, str(canonical), registry.name, kind, path, client=client, user=user)
            return replace(bare, request=request)
        case Malformed(status, _, sentence):
            return replace(bare, note=f"answered {status} here: {sentence}; no tier is asked")
        case _:
            return replace(bare, note="pings and token requests never reach the tiers")
