"""The admin socket's call about the last exchanges of an image."""

from collections.abc import Callable, Mapping

from regproxy.admin.route import Parameter, Route
from regproxy.model.oci import Resource, classify
from regproxy.policy.policy import Policy
from regproxy.policy.reference import read_reference
from regproxy.telemetry.traces import Traces

_REF = Parameter("ref", "an image reference or a URL", required=True)


def trace_routes(traces: Traces, policy: Callable[[], Policy]) -> tuple[Route, ...]:
    """The call; `policy` gives the active one."""

    async def trace(query: Mapping[str, str]) -> Mapping[str, object]:
        """The last exchanges about a repository, with clients and with its registry."""
        if "ref" not in query:
            raise ValueError("`ref` is missing: an image reference or a URL")
        active = policy()
        authority, target = read_reference(active.connecting, query["ref"])
        resource, registry = classify(target), active.registry_of(authority)
        if registry is None:
            raise ValueError(f"no registry block has {authority.name} among its `hosts`: it is tunnelled, and not seen")
        if not isinstance(resource, Resource) or not resource.repository:
            raise ValueError(f"{query['ref'][:200]} names no image")
        found = traces.of(registry.name, resource.repository)
        return {"registry": registry.name, "repository": resource.repository, "exchanges": found}

    return (Route("GET", "/trace", trace, (_REF,)),)
