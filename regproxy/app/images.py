"""The admin socket's calls about images: what is in the cache, and what the operator does to it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace

from regproxy.admin.route import NotHereError, Parameter, Route, number
from regproxy.cache.images import Images, ImageState, Node
from regproxy.cache.purging import HELD_SECONDS, Depth, Purging, Refreshed
from regproxy.model.address import parse_authority
from regproxy.model.inventory import Past, TagKey
from regproxy.model.oci import parse_digest
from regproxy.policy.images import Image, ImagePattern, image_name

Query = Mapping[str, str]
Told = Mapping[str, object]

MAX_LISTED, LISTED = 5000, 500
MAX_REFRESHED = 1000  # tags of one call
AT_ONCE = 8  # registries are asked for so many tags at once
MAX_HELD_SECONDS = 366 * 86400.0
_DEPTHS: Mapping[str, Depth] = {"expire": "expire", "distrust": "distrust", "hard": "hard"}

_MATCH = Parameter("match", "an image, or a pattern such as docker.io/library/*:*", required=True)
_REF = Parameter("ref", "an image such as docker.io/library/redis:7", required=True)
_AFTER = Parameter("after", "`next` of the answer before")
_LIMIT = Parameter("limit", f"how many, up to {MAX_LISTED}; {LISTED} if not given")
_PLATFORMS = Parameter("platforms", f"1: say for which platforms it is here, too; of {LISTED} images at most")
_HOW = Parameter("how", f"{', '.join(_DEPTHS)}; expire if not given")
_DRY_RUN = Parameter("dry-run", "1: only say which")
_DIGEST = Parameter("digest", "what the tag shall mean; if not given, what it meant before")
_SECONDS = Parameter("seconds", "for so long; a day if not given")


class ImageCalls:
    """Answers the calls; wrong queries are ValueError, a sentence."""

    def __init__(self, images: Images, purging: Purging) -> None:
        self._images = images
        self._purging = purging

    def routes(self) -> tuple[Route, ...]:
        """All calls."""
        return (
            Route("GET", "/images", self.listed, (replace(_MATCH, required=False), _AFTER, _LIMIT, _PLATFORMS)),
            Route("GET", "/image", self.image, (_REF,)),
            Route("GET", "/image/history", self.history, (_REF,)),
            Route("POST", "/images/purge", self.purge, (_MATCH, _HOW, _DRY_RUN)),
            Route("POST", "/images/refresh", self.refresh, (_MATCH,)),
            Route("POST", "/image/restore", self.restore, (_REF, _DIGEST, _SECONDS)),
        )

    async def listed(self, query: Query) -> Told:
        """Tags in order, `limit` at a time, behind the cursor `after`."""
        limit = number(query, "limit", LISTED, MAX_LISTED)
        after = _cursor(query["after"]) if query.get("after") else None
        looks = query.get("platforms") == "1"
        found, more = await self._images.listed(query.get("match", ""), after, min(limit, LISTED) if looks else limit)
        cursor = json.dumps([str(more.authority), more.repository, more.tag]) if more is not None else None
        told = [_image(one) for one in found]
        if looks:
            told = [{**one, "platforms": await self._here(state)} for one, state in zip(told, found, strict=True)]
        return {"images": told, "next": cursor}

    async def _here(self, state: ImageState) -> list[str]:
        try:
            return sorted(await self._images.here(state.tagged.binding.digest))
        except OSError:
            return []  # evicted while it was read

    async def image(self, query: Query) -> Told:
        """One image and its tree."""
        image = self._one(query)
        tree = await self._images.tree(image)
        if tree is None:
            raise NotHereError(f"{query['ref'][:200]} is not in the cache")
        return {"image": image_name(image.key) if image.key.tag else query["ref"], "tree": _node(tree)}

    async def history(self, query: Query) -> Told:
        """What a tag meant, the latest first."""
        key = self._tag(query)
        return {"image": image_name(key), "history": [_past(one) for one in await self._images.past(key)]}

    async def purge(self, query: Query) -> Told:
        """Expire, distrust or remove; with `dry-run=1` only say which."""
        depth = _DEPTHS.get(query.get("how", "expire"))
        if depth is None:
            raise ValueError(f"`how` is one of {', '.join(_DEPTHS)}")
        keys = await self._purging.keys(_given(query, "match"))
        if query.get("dry-run") == "1":
            return {"images": [image_name(key) for key in keys], "dry_run": True}
        purged = await self._purging.purge(keys, depth)
        return {
            "images": [image_name(key) for key in purged.tags],
            "contents": purged.contents,
            "bytes": purged.bytes,
            "shared": purged.shared,
        }

    async def refresh(self, query: Query) -> Told:
        """Ask the registries now."""
        named = self._images.read(_given(query, "match"))
        keys = (named.key,) if isinstance(named, Image) and named.key.tag else await self._purging.keys(query["match"])
        if len(keys) > MAX_REFRESHED:
            raise ValueError(f"that names {len(keys)} tags; at most {MAX_REFRESHED} are asked for at once")
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(key: TagKey) -> Refreshed:
            async with turn:
                return await self._purging.refresh(key)

        return {"images": [_refreshed(found) for found in await asyncio.gather(*map(one, keys))]}

    async def restore(self, query: Query) -> Told:
        """Let a tag mean what it meant before."""
        key = self._tag(query)
        digest = parse_digest(query["digest"]) if query.get("digest") else None
        seconds = number(query, "seconds", int(HELD_SECONDS), int(MAX_HELD_SECONDS))
        try:
            past = await self._purging.restore(key, digest, seconds)
        except ValueError as error:
            raise NotHereError(str(error)) from error
        return {"image": image_name(key), "seconds": seconds, **_past(past)}

    def _one(self, query: Query) -> Image:
        match self._images.read(_given(query, "ref")):
            case Image() as found:
                return found
            case ImagePattern():
                raise ValueError("`ref` is a pattern; name one image")

    def _tag(self, query: Query) -> TagKey:
        image = self._one(query)
        if not image.key.tag:
            raise ValueError("`ref` names a digest, which never changes; name a tag")
        return image.key


def _given(query: Query, name: str) -> str:
    if not query.get(name):
        raise ValueError(f"`{name}` is missing: an image such as docker.io/library/redis:7, or a pattern")
    return query[name]


def _cursor(text: str) -> TagKey:
    try:
        authority, repository, tag = json.loads(text)
        return TagKey(parse_authority(authority), str(repository), str(tag))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError("`after` is no cursor; take `next` of the answer before") from error


def _image(one: ImageState) -> Told:
    row, binding = one.tagged, one.tagged.binding
    return {
        "image": image_name(row.key),
        "registry": row.key.authority.name,
        "repository": row.key.repository,
        "tag": row.key.tag,
        "digest": str(binding.digest),
        "media_type": binding.media_type,
        "bytes": row.bytes,
        "stored_at": binding.stored_at,
        "validated_at": binding.validated_at,
        "last_used": row.last_used,
        "state": one.state,
        "tier": one.tier,
    }


def _node(node: Node) -> Told:
    one = node.descriptor
    told = {"role": one.role, "digest": str(one.digest), "media_type": one.media_type, "size": one.size}
    children = {"children": [_node(child) for child in node.children]} if node.children else {}
    return {**told, "platform": one.platform, "here": node.is_here, **children}


def _past(one: Past) -> Told:
    return {
        "digest": str(one.digest),
        "media_type": one.media_type,
        "size": one.size,
        "first_at": one.first_at,
        "last_at": one.last_at,
    }


def _refreshed(one: Refreshed) -> Told:
    before, after = (str(digest) if digest is not None else None for digest in (one.before, one.after))
    return {"image": image_name(one.key), "before": before, "after": after, "failure": one.failure}
