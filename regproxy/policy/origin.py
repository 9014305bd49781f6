"""Where `fresh origin` has no meaning: for manifests and blobs, and beside what asks or remembers in another way."""

from collections.abc import Iterator, Mapping

from regproxy.model.decision import Cached, Decision, Origin, PolicyRequest
from regproxy.policy.check import Checked
from regproxy.policy.condition import Condition, Predicate, possible
from regproxy.policy.diagnostic import Diagnostic, error
from regproxy.policy.given import Entry
from regproxy.policy.syntax import Word

_CONTENT = ("manifest", "blob")


def misplaced_origin(
    decision: Decision, condition: Condition, block: Checked, inherited: Mapping[str, list[Entry]]
) -> Iterator[Diagnostic]:
    """RP110: what contradicts `fresh origin` in one tier; what it only inherits is overruled in silence."""
    if not isinstance(decision, Cached) or not isinstance(decision.terms.fresh, Origin):
        return
    matched = [kind for kind in _CONTENT if _may_match(condition, kind)]
    if matched:
        fresh = (block.entries.get("fresh") or inherited["fresh"])[0]
        yield error(
            "RP110",
            fresh.span,
            f"tier `{block.name}` can match {' and '.join(f'{kind}s' for kind in matched)}, where `fresh origin` has "
            "no meaning",
            note="what a digest names never changes, and whether a tag moved is asked by HEAD",
            help="add `kind in [other, tags, referrers, catalog]` to its `match`, or some of these kinds",
        )
    for entry in block.all("negative"):
        sentence = "`negative` has no meaning beside `fresh origin`: the origin says for how long an absence is fresh"
        yield error("RP110", entry.span, sentence, help="remove it")
    for entry in block.all("revalidate"):
        match entry.arguments:
            case (Word(("head" | "full") as method), *_):
                sentence = f"`revalidate {method}` has no meaning beside `fresh origin`: validators are asked with"
                yield error("RP110", entry.span, sentence, help="write `revalidate etag`, with its `within` if any")
            case _:
                pass


def _may_match(condition: Condition, kind: str) -> bool:
    """Whether a request of this kind may fulfil the condition; True where that is not certain."""
    request = PolicyRequest(method="GET", authority="", registry="", kind=kind, path="")

    def known(predicate: Predicate) -> bool | None:
        return predicate.holds(request) if predicate.attribute == "kind" else None

    return possible(condition, known) is not False
