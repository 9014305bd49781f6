"""The calls about policy and CA: what the running proxy would do, and reading the policy again."""

from collections.abc import Callable, Mapping
from typing import assert_never

from regproxy.admin.route import Parameter, Route
from regproxy.app.live import Live
from regproxy.policy.report import as_object
from regproxy.policy.schema import METHODS
from regproxy.reload.reloader import Reloader
from regproxy.reload.result import Activated, Rejected, Result, Unchanged, Unreadable

_EXPLAIN = (
    Parameter("ref", "an image reference or a URL", required=True),
    Parameter("method", "of the request, GET if none is given"),
    Parameter("client", "the address that asks"),
    Parameter("user", "the proxy user that asks"),
)


def administration(
    live: Live, reloader: Reloader | None, trust: Callable[[], Mapping[str, object]]
) -> tuple[Route, ...]:
    """The calls; without a policy file there is nothing to reload. `trust` says how clients take the CA."""

    async def explain(query: Mapping[str, str]) -> Mapping[str, object]:
        """What the proxy would do with a request now, and why."""
        if "ref" not in query:
            raise ValueError("`ref` is missing: an image reference or a URL")
        method = query.get("method", "GET")
        if method not in METHODS:
            raise ValueError(f"`method` is {method[:20]!r}, which is none of {', '.join(METHODS)}")
        return await live.explain(query["ref"], method, query.get("client", ""), query.get("user", ""))

    async def reload(_query: Mapping[str, str]) -> Mapping[str, object]:
        """Read the policy file again, and run it if it loads."""
        if reloader is None:
            raise ValueError("no policy file was named, so there is nothing to read again; name one with --policy")
        return _told(await reloader.reload("api"))

    async def ca(_query: Mapping[str, str]) -> Mapping[str, object]:
        """How many clients trust the CA, and how many do not."""
        return trust()

    return (
        Route("GET", "/explain", explain, _EXPLAIN),
        Route("POST", "/policy/reload", reload),
        Route("GET", "/ca", ca),
    )


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
