"""What a call brought, in lines for people."""

from collections.abc import Mapping
from typing import Any

from regproxy.model.brief import rounded, short, span

TITLES = {
    "/images/purge": "Purge",
    "/images/refresh": "Asked the registry",
    "/image/restore": "Restore",
    "/prefetch": "Prefetch",
    "/upstreams/test": "Test of a registry",
    "/upstreams/block": "Block",
    "/upstreams/unblock": "Unblock",
    "/grants/revoke": "Revoke",
    "/policy/reload": "Policy",
}


def lines(path: str, told: Mapping[str, Any], now: float) -> list[str]:
    """The lines for one of the calls that pages make."""
    match path:
        case "/images/purge":
            return _purged(told)
        case "/images/refresh":
            return [_refreshed(one) for one in told["images"]]
        case "/image/restore":
            return [f"{told['image']} is {told['digest']} for {span(told['seconds'])}"]
        case "/prefetch" if told.get("dry_run"):
            return [_would_fetch(told)]
        case "/prefetch":
            return [f"{told['image']} is on its way"]
        case "/upstreams/test":
            if told["failure"]:
                return [f"{told['authority']}: {told['detail']}"]
            return [f"{told['authority']} answered {told['status']} in {told['milliseconds']:g} ms"]
        case "/upstreams/block":
            return [f"{told['authority']} is not asked for {span(told['blocked_until'] - now)}"]
        case "/grants/revoke":
            return [f"{told['revoked']} revoked: the registry is asked again for whoever comes next"]
        case "/upstreams/unblock":
            return [f"{told['authority']} is asked again"]
        case _:
            return _reloaded(told)


def _purged(told: Mapping[str, Any]) -> list[str]:
    if not told["images"]:
        return ["Nothing of that name is in the cache."]
    freed = [f"{told['contents']} contents, {rounded(told['bytes'])} freed"] if told.get("contents") else []
    return [*freed, *told["images"]]


def _refreshed(one: Mapping[str, Any]) -> str:
    if one["failure"]:
        return f"{one['image']}: {one['failure']}"
    before, after = (short(one[key]) if one[key] else "nothing" for key in ("before", "after"))
    return f"{one['image']}: {after} as before" if before == after else f"{one['image']}: {before} -> {after}"


def _would_fetch(told: Mapping[str, Any]) -> str:
    if not told["known"]:
        return f"{told['image']} is not in the cache: the whole of it would be fetched"
    if not told["missing"]:
        return f"{told['image']} is here: the registry would be asked whether it moved"
    return f"{told['image']}: {told['missing']} contents, {rounded(told['bytes'])}, would be fetched"


def _reloaded(told: Mapping[str, Any]) -> list[str]:
    said = {"success": "The new policy runs.", "unchanged": "Unchanged.", "failure": "The policy that ran runs on."}
    findings = [f"{one['file']}:{one['line']}: {one['code']} {one['sentence']}" for one in told.get("findings", ())]
    detail = [told["detail"]] if "detail" in told else []
    return [said[told["result"]], *detail, *findings, *told.get("changes", ())]
