"""What the running proxy would do with a request: its own policy, and what it has stored."""

from collections.abc import Callable
from dataclasses import asdict, replace

from regproxy.cache.answer import Cache
from regproxy.cache.kept import Kept
from regproxy.model.oci import Resource, classify
from regproxy.policy.policy import Policy
from regproxy.policy.scenario import Circumstances, Working
from regproxy.rehearsal.explain import explain
from regproxy.rehearsal.explain import render as render_explanation
from regproxy.rehearsal.happening import happen
from regproxy.rehearsal.outlook import as_object, outlook, render_outlook
from regproxy.rehearsal.reference import rehearse


class Live:
    """Explains requests; `policy` gives the active one."""

    def __init__(self, cache: Cache, policy: Callable[[], Policy]) -> None:
        self._cache = cache
        self._policy = policy

    async def explain(self, reference: str, method: str, client: str, user: str) -> dict[str, object]:
        """The explanation as JSON, its text for people included; raises ValueError for what is no reference."""
        policy = self._policy()
        rehearsed = rehearse(policy, reference, method, client, user)
        resource = classify(rehearsed.target)
        registry = policy.registry_of(rehearsed.authority)
        found = Kept()
        if registry is not None and isinstance(resource, Resource):
            place = registry, registry.canonical(rehearsed.authority), resource.repository
            account = policy.account(*place, client, user) if client or user else policy.own_account(*place)
            found = await self._cache.kept(place[1], resource, account)
        # Whole seconds, as lifetimes mostly are: who reads it wants no milliseconds.
        entry = replace(found.stored, age=float(int(found.stored.age))) if found.stored is not None else None
        given = Circumstances(entry, Working.SAME)
        explanation, happening = explain(policy, rehearsed), happen(policy, rehearsed, given)
        told = outlook(explanation, happening, given)
        text = render_explanation(explanation) + (render_outlook(told) if told is not None else "")
        stored = {**asdict(found), "stored": type(found.stored).__name__.lower() if found.stored else "nothing"}
        stored["age"] = found.stored.age if found.stored is not None else None
        return {**as_object(explanation, happening, told), "policy": policy.name, "stored": stored, "text": text}
