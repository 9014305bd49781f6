"""The admin socket as the program wires it: what can be asked of the running proxy."""

from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from regproxy.admin.api import Api, Route
from regproxy.app.live import Live
from regproxy.policy.report import as_object
from regproxy.policy.schema import METHODS
from regproxy.reload.reloader import Reloader
from regproxy.reload.result import Activated, Rejected, Result, Unchanged, Unreadable


def administration(
    live: Live, reloader: Reloader | None, trust: Callable[[], Mapping[str, object]], more: Iterable[Route]
) -> Api:
    """The calls, and `more`; without a policy file there is nothing to reload. `trust` says how clients take the CA."""

    async def explain(query: Mapping[str, str]) -> Mapping[str, object]:
        if "ref" not in query:
            raise ValueError("`ref` is missing: an image reference or a URL")
        method = query.get("method", "GET")
        if method not in METHODS:
            raise ValueError(f"`method` is {method[:20]!r}, which is none of {', '.join(METHODS)}")
        return await live.explain(query["ref"], method, query.get("client", ""), query.get("user", ""))

    async def reload(_query: Mapping[str, str]) -> Mapping[str, object]:
        if reloader is None:
            raise ValueError("no policy file was named, so there is nothing to read again; name one with --policy")
        return _told(await reloader.reload("api"))

    async def ca(_query: Mapping[str, str]) -> Mapping[str, object]:
        return trust()

    policy = (Route("GET", "/explain", explain), Route("POST", "/policy/reload", reload))
    return Api((*policy, Route("GET", "/ca", ca), *more))


def _told(result: Result) -> Mapping[str, object]:
    match result:
        case Activated(checksum, diagnostics, changes):
            findings = [as_object(one) for one in diagnostics]
            return {"result": "success", "checksum": checksum, "findings": findings, "changes": list(changes)}
        case Unchanged(checksum):
            return {"result": "unchanged", "checksum": checksum}
        case Rejected(diagnostics):
            return {"result": "failure", "findings": [as_object(one) for one in diagnostics]}
        case Unreadable(sentence):
            return {"result": "failure", "detail": sentence, "findings": []}
        case _:
            assert_never(result)
