"""What names meant: rows come back as they were told, together or not at all."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.model.entry import Binding, BindingKey, Challenge, Generic, GenericKey, Link, LinkKey
from regproxy.model.oci import Kind
from regproxy.store.choosing import BY_PLACE, BY_USE, CANDIDATES
from regproxy.store.content import Store
from regproxy.store.index import Tables, Value
from regproxy.store.rows import Changes
from tests.store.opening import Watch, digest_of, limits, opened, put

HUB, OTHER, SIX = Authority("registry-1.docker.io", 443), Authority("quay.io", 443), Authority("2001:db8::1", 5000)
DIGEST = digest_of(b"manifest")
FIELDS = (("Content-Type", "application/json"), ("Link", '<x>; rel="next"'), ("X-Odd", "caf\u00e9 \udcff"))
TAG = BindingKey(HUB, "library/redis", "7")
BINDING = Binding(DIGEST, "application/vnd.oci.image.index.v1+json", 8, FIELDS, 10.5, 20.25)
NAME = LinkKey(HUB, "library/redis", Kind.MANIFEST, DIGEST)
LINK = Link("application/vnd.oci.image.index.v1+json", 8, FIELDS, 30.0, "get")
LIST = GenericKey(HUB, "/v2/library/redis/tags/list?n=5", "application/json")
GENERIC = Generic(DIGEST, 8, FIELDS, 1.0, 2.0)
ALL = Changes(
    bindings=((TAG, BINDING),),
    links=((NAME, LINK),),
    generics=((LIST, GENERIC),),
    granted=((HUB, "library/redis", "anonymous", 1.0),),
    challenges=((HUB, Challenge("bearer", "https://auth.docker.io/token", "registry.docker.io")),),
    references=((DIGEST, digest_of(b"child")), (DIGEST, digest_of(b"other child"))),
)


def references(tables: Tables) -> int:
    row = tables.one("SELECT count(*) FROM reference")
    return int(row[0] or 0) if row else 0


def test_every_row_comes_back_as_it_was_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.record(ALL)
            await store.record(ALL)
            assert await store.binding(TAG) == BINDING
            assert await store.link(NAME) == LINK
            assert await store.generic(LIST) == GENERIC
            assert await store.granted_at(HUB, "library/redis") == 1.0
            assert await store.granted_at(HUB, "library/redis", "basic a") is None
            assert await store.challenges() == dict(ALL.challenges)
            assert await store._index.run(references) == 2

    asyncio.run(story())


def test_every_part_of_a_key_counts(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.record(ALL)
            for tag in (
                replace(TAG, authority=OTHER),
                replace(TAG, authority=Authority(HUB.host, 444)),
                replace(TAG, repository="library/redi"),
                replace(TAG, tag="8"),
                replace(TAG, accept="*/*"),
            ):
                assert await store.binding(tag) is None
            for name in (
                replace(NAME, authority=OTHER),
                replace(NAME, repository="library/other"),
                replace(NAME, kind=Kind.BLOB),
                replace(NAME, digest=digest_of(b"other")),
            ):
                assert await store.link(name) is None
            for target in (replace(LIST, authority=OTHER), replace(LIST, target="/v2/"), replace(LIST, variant="")):
                assert await store.generic(target) is None
            assert await store.granted_at(OTHER, "library/redis") is None
            assert await store.granted_at(HUB, "library") is None

    asyncio.run(story())


def test_a_digest_is_linked_in_the_authority_that_gave_it_and_no_other(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.record(ALL)
            assert await store.linked_in(HUB, DIGEST)
            assert not await store.linked_in(OTHER, DIGEST)
            assert not await store.linked_in(HUB, digest_of(b"child")), "what a manifest lists is never a link"

    asyncio.run(story())


def test_a_moved_tag_a_gone_tag_and_a_literal_address_are_told(tmp_path: Path) -> None:
    moved = replace(BINDING, digest=digest_of(b"new"), gone_at=99.0, fields=())
    on_six = replace(TAG, authority=SIX)

    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.record(ALL)
            await store.record(Changes(bindings=((TAG, moved), (on_six, BINDING))))
            assert await store.binding(TAG) == moved
            assert await store.binding(on_six) == BINDING
            assert await store.linked_in(HUB, DIGEST), "the old content keeps its link"
            await store.record(Changes(challenges=((SIX, Challenge("none")),)))
            assert (await store.challenges())[SIX] == Challenge("none")

    asyncio.run(story())


def test_what_is_dropped_is_gone_and_may_be_replaced_in_the_same_breath(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.record(ALL)
            await store.record(
                Changes(
                    dropped_bindings=(TAG,),
                    dropped_links=(NAME,),
                    dropped_generics=(LIST,),
                    withdrawn=((HUB, "library/redis", "anonymous"),),
                    bindings=((replace(TAG, tag="8"), BINDING),),
                    links=((NAME, replace(LINK, proof="head")),),
                )
            )
            assert (await store.binding(TAG), await store.generic(LIST)) == (None, None)
            assert await store.granted_at(HUB, "library/redis") is None
            assert await store.binding(replace(TAG, tag="8")) == BINDING
            assert await store.link(NAME) == replace(LINK, proof="head")

    asyncio.run(story())


def test_changes_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    endless = replace(LINK, size=2**70)

    async def story() -> None:
        async with opened(tmp_path) as store:
            with pytest.raises(OSError, match="index failed"):
                await store.record(Changes(bindings=((TAG, BINDING),), links=((NAME, endless),)))
            assert await store.binding(TAG) is None
            await store.record(ALL)
            assert await store.binding(TAG) == BINDING

    asyncio.run(story())


async def known(store: Store) -> list[bool]:
    found = (await store.binding(TAG), await store.link(NAME), await store.generic(LIST))
    return [one is not None for one in found] + [await store.granted_at(HUB, "library/redis") is not None]


def test_rows_outlive_their_content_until_nobody_validated_them_for_long(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch(now=100.0)
        async with opened(tmp_path, limits(inactive=1000.0), watch) as store:
            await put(store, b"manifest")
            await store.record(ALL)
            await store.discard(DIGEST)
            assert await store._index.run(references) == 0
            watch.now = 1000.0
            await store.maintain()
            assert await known(store) == [True] * 4
            watch.now = 1025.0
            await store.maintain()
            assert await known(store) == [False, True, False, True], "the tag was validated at 20.25, the link at 30"
            watch.now = 1031.0
            await store.maintain()
            assert await known(store) == [False] * 4
            assert await store.challenges() != {}

    asyncio.run(story())


def test_rows_of_content_in_use_stay_however_old(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch(now=100.0)
        async with opened(tmp_path, limits(inactive=1000.0), watch) as store:
            await put(store, b"manifest")
            await store.record(ALL)
            for _ in range(4):
                watch.now += 900
                store.touch(DIGEST)
                await store.maintain()
            assert await known(store) == [True] * 4
            watch.now += 1001
            await store.maintain()
            assert await known(store) == [False] * 4

    asyncio.run(story())


def test_one_pass_looks_at_a_bounded_number_of_rows_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regproxy.store.upkeep.PRUNED_AT_ONCE", 10)
    tags = [replace(TAG, tag=f"{number}") for number in range(25)]

    async def story() -> None:
        watch = Watch(now=2000.0)
        async with opened(tmp_path, limits(inactive=1000.0), watch) as store:
            await store.record(Changes(bindings=tuple((tag, BINDING) for tag in tags)))
            left = []
            for _ in range(3):
                await store.maintain()
                left.append(len([tag for tag in tags if await store.binding(tag)]))
            assert left == [15, 5, 0]
            await store.maintain()
            await store.record(ALL)
            await store.maintain()
            assert await store.binding(TAG) is None, "it begins again at the end"

    asyncio.run(story())


def test_without_inactive_nothing_grows_old(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch(now=1e12)
        async with opened(tmp_path, limits(inactive=float("inf")), watch) as store:
            await store.record(ALL)
            await store.maintain()
            assert await known(store) == [True] * 4

    asyncio.run(story())


def explain(sql: str, tables: Tables) -> list[tuple[Value, ...]]:
    return list(tables.each("EXPLAIN QUERY PLAN " + sql, *[0.0] * sql.count("?")))


def test_look_ups_use_an_index(tmp_path: Path) -> None:
    queries = {
        "SELECT 1 FROM content WHERE digest = ?": "content",
        f"{CANDIDATES} {BY_USE}, c.rowid LIMIT 1": "content_by_use",
        f"{CANDIDATES} {BY_PLACE}, c.rowid LIMIT 1": "content_by_place",
        "SELECT 1 FROM link WHERE authority = ? AND digest = ?": "link_by_digest",
        "SELECT digest FROM content WHERE verified = 0 ORDER BY last_used DESC": "content_unverified",
    }

    async def story() -> None:
        async with opened(tmp_path) as store:
            for sql, name in queries.items():
                plan = await store._index.run(partial(explain, sql))
                told = " ".join(str(row[3]) for row in plan)
                assert "INDEX" in told and name in told and "SCAN" not in told.replace("SCAN content USING", ""), told
                assert "TEMP B-TREE" not in told

    asyncio.run(story())


def test_what_is_written_down_late_makes_no_grant_older(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            for at in (5.0, 2.0):
                await store.record(Changes(granted=((HUB, "library/redis", "anonymous", at),)))
            assert await store.granted_at(HUB, "library/redis") == 5.0
            await store.record(Changes(withdrawn=((HUB, "library/redis", "anonymous"),)))
            await store.record(Changes(granted=((HUB, "library/redis", "anonymous", 2.0),)))
            assert await store.granted_at(HUB, "library/redis") == 2.0

    asyncio.run(story())
