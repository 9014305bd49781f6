"""Callers with a login of their own: asked about once, served from what is stored, and only what they may read."""

import asyncio
from pathlib import Path

import pytest

from regproxy.cache import grants
from regproxy.model.answer import Audience, Forget, Reply, Stored
from regproxy.model.event import Outcome
from regproxy.model.inventory import TagKey
from tests.cache.private import FOREIGN, LAYER, OPEN, OTHER, PRIVATE, PUBLIC, SECRET, TIERS, TOKEN, Stage, on_stage
from tests.cache.world import ANONYMOUS, QUAY
from tests.lab.answers import Answer, abused
from tests.lab.images import sha256
from tests.lab.vault import basic

MANIFEST = f"/v2/{PRIVATE}/manifests/1.0"
BY_DIGEST = f"/v2/{PRIVATE}/manifests/{sha256(SECRET)}"
BLOB = f"/v2/{PRIVATE}/blobs/{sha256(LAYER)}"
HOUR = 3600.0


def test_a_hundred_pulls_of_a_warm_private_image_ask_twice(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(stage.alice) == 200
        carol = stage.vault.user("carol", "c", PRIVATE)
        stage.vault.forget()
        for _ in range(100):
            for path in (MANIFEST, BY_DIGEST):
                answer, body = await stage.get(carol, path)
                assert (answer.head.status, body) == (200, SECRET)
            stage.world.now += 18
        assert stage.vault.forget() == [("carol", "GET", "/token"), ("carol", "HEAD", MANIFEST)]

    on_stage(story, tmp_path)


def test_an_outage_of_registry_and_tokens_is_not_noticed_by_who_is_known_and_the_unknown_hear_why(
    tmp_path: Path,
) -> None:
    async def story(stage: Stage) -> None:
        for path in (MANIFEST, BLOB):
            assert (await stage.get(stage.alice, path))[0].head.status == 200
        stage.world.hostile.stop()
        stage.world.now += 4.9 * HOUR  # one hour of `recheck`, four of `stale auth`
        for path, content in ((MANIFEST, SECRET), (BLOB, LAYER)):
            answer, body = await stage.get(stage.alice, path)
            assert (answer.head.status, body) == (200, content)
        answer, _ = await stage.get(stage.vault.user("dave", "d", PRIVATE), MANIFEST)
        assert answer.head.status == 503
        assert "cannot be asked now whether it knows dave" in answer.head.reason
        stage.world.now += 0.2 * HOUR
        assert (await stage.get(stage.alice, MANIFEST))[0].head.status == 503

    on_stage(story, tmp_path)


@pytest.mark.parametrize("how", ["no longer a reader", "another password"])
def test_a_revoked_user_is_refused_after_recheck(how: str, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(stage.alice) == 200
        if how == "another password":
            stage.vault.passwords["alice"] = "changed"
        else:
            stage.vault.readers[PRIVATE].clear()
        stage.world.now += HOUR - 1
        assert await stage.pull(stage.alice) == 200
        stage.world.now += 2
        for reference in ("1.0", sha256(SECRET)):
            assert await stage.pull(stage.alice, reference) == 401

    on_stage(story, tmp_path)


def test_a_token_that_the_proxy_got_before_proves_nothing_once_a_grant_is_asked_about_again(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        _, bearer = await stage.login(stage.alice)
        assert (await stage.world.get(MANIFEST, bearer))[0].head.status == 200
        stage.vault.readers[PRIVATE].clear()
        stage.world.now += HOUR + 1
        assert (await stage.world.get(MANIFEST, bearer))[0].head.status == 401, (
            "the registry's token would open it still"
        )

    on_stage(story, tmp_path)


def test_a_login_that_may_no_longer_read_there_is_not_served_in_an_outage(tmp_path: Path) -> None:
    """GitLab's token service answers 403 where others give a token that opens nothing."""

    async def story(stage: Stage) -> None:
        _, bearer = await stage.login(stage.alice)
        assert (await stage.world.get(MANIFEST, bearer))[0].head.status == 200
        stage.world.now += HOUR + 1
        stage.world.hostile.on("quay.io", "/token", Answer(403))
        assert (await stage.world.get(MANIFEST, bearer))[0].head.status == 401
        stage.world.hostile.stop()
        assert (await stage.world.get(MANIFEST, bearer))[0].head.status in (401, 503)

    on_stage(story, tmp_path)


def test_who_is_limited_and_was_never_let_in_hears_the_limit_and_who_was_is_served(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(stage.alice) == 200
        carol = stage.vault.user("carol", "c", PRIVATE)
        bearers = [(await stage.login(login))[1] for login in (stage.alice, carol)]
        stage.world.now += HOUR + 1
        stage.world.hostile.on("quay.io", MANIFEST, abused())
        answers = [(await stage.world.get(MANIFEST, bearer))[0] for bearer in bearers]
        assert [answer.head.status for answer in answers] == [200, 429]

    on_stage(story, tmp_path)


def test_a_login_that_was_rejected_opens_nothing_in_an_outage_either(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        _, bearer = await stage.login(stage.alice)
        for repository in (PRIVATE, OTHER):
            assert await stage.pull(stage.alice, repository=repository) == 200
        stage.vault.passwords["alice"] = "changed"
        stage.world.now += HOUR + 1
        assert await stage.pull(stage.alice, repository=OTHER) == 401
        stage.world.hostile.stop()
        assert (await stage.world.get(MANIFEST, bearer))[0].head.status == 503, "of this repository nobody asked"

    on_stage(story, tmp_path)


FORGED = ("Authorization", "Bearer eyJhbGciOiJub25lIn0.eyJhY2Nlc3MiOlt7InR5cGUiOiJyZXBvc2l0b3J5In1dfQ.")


@pytest.mark.parametrize("hides", [False, True])
def test_who_may_not_read_gets_no_byte_of_what_another_may(hides: bool, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        strangers = [(), (ANONYMOUS,), (FORGED,)]
        known = [stage.bob, basic("alice", "guess")]
        for path in (MANIFEST, BY_DIGEST, BLOB, f"/v2/{PRIVATE}/tags/list"):
            assert (await stage.get(stage.alice, path))[0].head.status == 200
            for method in ("GET", "HEAD"):
                answers = [await stage.world.ask(method, path, *fields) for fields in strangers]
                answers += [await stage.get(login, path, method) for login in known]
                assert {answer.head.status for answer, _ in answers} <= ({401, 404} if hides else {401})
                assert not any(set(body.split()) & set(SECRET.split() + LAYER.split()) for _, body in answers)

    on_stage(story, tmp_path, hides=hides)


@pytest.mark.parametrize("fields", [(("Range", "bytes=0-9"),), (("If-None-Match", f'"{sha256(LAYER)}"'),)])
def test_a_range_or_a_condition_opens_nothing_either(fields: tuple[tuple[str, str], ...], tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.get(stage.alice, BLOB)
        assert (await stage.get(stage.bob, BLOB, "GET", *fields))[0].head.status == 401
        assert (await stage.world.get(BLOB, *fields))[0].head.status == 401

    on_stage(story, tmp_path)


def test_a_digest_of_one_repository_opens_nothing_under_another(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.get(stage.alice, BLOB)
        await stage.pull(stage.bob, repository=OTHER)
        for path in (f"/v2/{OTHER}/blobs/{sha256(LAYER)}", f"/v2/{OTHER}/manifests/{sha256(SECRET)}"):
            answer, body = await stage.get(stage.bob, path)
            assert answer.head.status == 404
            assert b"private" not in body

    on_stage(story, tmp_path)


def test_a_token_is_good_for_its_scope_and_its_registry_only(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.pull(stage.alice)
        _, elsewhere = await stage.login(stage.alice, OTHER)
        assert (await stage.world.get(MANIFEST, elsewhere))[0].head.status == 401
        _, mine = await stage.login(stage.alice)
        assert (await stage.world.get(MANIFEST, mine))[0].head.status == 200
        sent = [received.field("authorization") for received in stage.world.hostile.requests]
        assert not any("regproxy" in value for value in sent)
        answer, _ = await stage.world.get(MANIFEST, mine, authority=stage.world.policy.registries[1].canonical(QUAY))
        assert answer.head.status == 200
        broken = (mine[0], mine[1][:-3] + "AAA")
        assert (await stage.world.get(MANIFEST, broken))[0].head.status == 401

    on_stage(story, tmp_path)


def test_who_joins_a_fill_under_way_shows_first_that_it_may(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.pull(stage.alice)
        _, alice = await stage.login(stage.alice)
        await stage.pull(stage.bob, repository=OTHER)
        carol = stage.vault.user("carol", "c", PRIVATE)
        _, third = await stage.login(carol)
        stage.vault.forget()
        answers = await asyncio.gather(
            stage.world.get(BLOB, alice),
            stage.world.get(BLOB, third),
            stage.get(stage.bob, BLOB),
            stage.world.get(BLOB),
        )
        assert [answer.head.status for answer, _ in answers] == [200, 200, 401, 401]
        assert [body == LAYER for _, body in answers] == [True, True, False, False]
        heads = [asked for asked in stage.vault.forget() if asked[1:] == ("HEAD", BLOB)]
        assert ("carol", "HEAD", BLOB) in heads

    on_stage(story, tmp_path)


def test_a_client_that_logs_in_only_when_it_is_told_to_asks_nobody_for_that(tmp_path: Path) -> None:
    """As containerd does: each pull begins without a token."""

    async def story(stage: Stage) -> None:
        assert await stage.pull(stage.alice) == 200
        stage.vault.forget()
        for _ in range(3):
            answer, _ = await stage.world.get(MANIFEST)
            assert answer.head.status == 401
            assert 'scope="repository:team/private:pull"' in (answer.head.get("www-authenticate") or "")
            assert await stage.pull(stage.alice) == 200
        assert stage.vault.forget() == []
        stage.world.hostile.stop()
        stage.world.now += 1.5 * HOUR
        assert (await stage.world.get(MANIFEST))[0].head.status == 401
        assert await stage.pull(stage.alice) == 200

    on_stage(story, tmp_path)


@pytest.mark.parametrize(
    "what", ["manifests/2.0", f"manifests/{sha256(SECRET)}", f"blobs/{sha256(LAYER)}", "tags/list"]
)
def test_what_came_after_a_repository_became_private_is_not_for_who_read_it_before(what: str, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(None, repository=PUBLIC) == 200
        stage.vault.readers[PUBLIC] = {"alice"}
        stage.vault.issued.clear()
        stage.world.now += 60
        stage.vault.push(PUBLIC, "2.0", SECRET)
        stage.vault.layer(PUBLIC, LAYER)
        assert (await stage.get(stage.alice, f"/v2/{PUBLIC}/{what}"))[0].head.status == 200
        assert await stage.pull(None, repository=PUBLIC) == 200, "it read that before, and nobody asked since"
        assert (await stage.get(None, f"/v2/{PUBLIC}/{what}"))[0].head.status == 401

    on_stage(story, tmp_path)


def test_what_is_confirmed_to_a_login_is_no_fresher_for_who_read_it_before(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(None, repository=PUBLIC) == 200
        stage.vault.readers[PUBLIC] = {"alice"}
        stage.vault.issued.clear()
        stage.world.now += 2 * HOUR + 1
        assert await stage.pull(stage.alice, repository=PUBLIC) == 200
        stage.world.now += 60
        assert await stage.pull(None, repository=PUBLIC) == 401, "two hours have passed since it was told so"

    on_stage(story, tmp_path)


def test_a_repository_that_becomes_public_opens_to_strangers(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(stage.alice) == 200
        assert await stage.pull(None) == 401
        stage.vault.readers[PRIVATE].add("")
        stage.vault.issued.clear()
        stage.world.now += HOUR
        assert await stage.pull(None) == 200

    on_stage(story, tmp_path)


def test_a_login_does_not_make_a_public_image_dearer(tmp_path: Path) -> None:
    """Nor does it lose it in an outage that outlasts every grant."""

    async def story(stage: Stage) -> None:
        assert await stage.pull(stage.bob, repository=PUBLIC) == 200
        stage.vault.forget()
        assert await stage.pull(stage.alice, repository=PUBLIC) == 200
        assert await stage.pull(None, repository=PUBLIC) == 200
        assert stage.vault.forget() == [("alice", "GET", "/token")]
        stage.world.hostile.stop()
        _, bearer = await stage.login(stage.bob, PUBLIC)
        stage.world.now += 100 * HOUR
        for field in (bearer, ANONYMOUS):
            answer, body = await stage.world.get(f"/v2/{PUBLIC}/manifests/1.0", field)
            assert (answer.head.status, body) == (200, OPEN)

    on_stage(story, tmp_path)


def test_a_repository_that_becomes_private_is_closed_to_strangers_once_it_is_asked_about(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(None, repository=PUBLIC) == 200
        stage.vault.readers[PUBLIC] = {"alice"}
        stage.vault.issued.clear()
        stage.world.now += 2 * HOUR + 1
        assert await stage.pull(None, repository=PUBLIC) == 401
        assert await stage.pull(None, sha256(OPEN), repository=PUBLIC) == 401
        assert await stage.pull(stage.alice, repository=PUBLIC) == 200

    on_stage(story, tmp_path)


def test_a_moved_tag_of_a_public_image_costs_a_login_no_pull_once_its_own_grant_has_ended(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(None, repository=PUBLIC) == 200
        stage.world.now += 3 * HOUR
        stage.vault.push(PUBLIC, "1.0", FOREIGN)
        assert await stage.pull(stage.alice, repository=PUBLIC) == 200
        stage.world.now += 1.5 * HOUR
        stage.vault.forget()
        for login in (stage.bob, stage.alice):
            answer, body = await stage.get(login, f"/v2/{PUBLIC}/manifests/1.0")
            assert (answer.head.status, body) == (200, FOREIGN)
        assert "GET" not in [method for _, method, path in stage.vault.forget() if path != "/token"]

    on_stage(story, tmp_path)


@pytest.mark.parametrize("limited", [False, True])
def test_what_came_after_the_grant_of_strangers_stays_with_a_login_in_an_outage(limited: bool, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(None, repository=PUBLIC) == 200
        stage.world.now += 3 * HOUR
        moved = stage.vault.push(PUBLIC, "1.0", FOREIGN)
        for reference in ("1.0", moved):
            assert await stage.pull(stage.alice, reference, PUBLIC) == 200
        _, bearer = await stage.login(stage.alice, PUBLIC)
        if limited:
            stage.world.hostile.on("quay.io", "/v2/*", abused())
        else:
            stage.world.hostile.stop()
        for hours, status in ((1.5, 200), (4, 429 if limited else 502)):
            stage.world.now += hours * HOUR
            for reference in ("1.0", moved):
                answer, body = await stage.world.get(
                    f"/v2/{PUBLIC}/manifests/{reference}", bearer if hours < 2 else ANONYMOUS
                )
                assert (answer.head.status, body == FOREIGN) == (status, status == 200)

    on_stage(story, tmp_path)


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
def test_a_refusal_by_digest_closes_a_repository_that_was_public(kind: str, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(None, sha256(OPEN), repository=PUBLIC) == 200
        stage.vault.readers[PUBLIC] = {"alice"}
        stage.vault.issued.clear()
        stage.world.now += 60
        other = stage.vault.push(PUBLIC, "2.0", SECRET) if kind == "manifests" else stage.vault.layer(PUBLIC, LAYER)
        answer, _ = await stage.get(None, f"/v2/{PUBLIC}/{kind}/{other}")
        assert answer.head.status == 401
        assert await stage.pull(None, sha256(OPEN), repository=PUBLIC) == 401, "as the registry now says"
        assert await stage.pull(stage.alice, sha256(OPEN), repository=PUBLIC) == 200

    on_stage(story, tmp_path)


@pytest.mark.parametrize("hides", [False, True])
def test_whether_strangers_may_read_is_asked_once_for_all_logins(hides: bool, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(stage.alice) == 200
        stage.vault.forget()
        stage.world.now += HOUR / 2
        assert await stage.pull(stage.vault.user("carol", "c", PRIVATE)) == 200
        assert "?" not in {user for user, _, _ in stage.vault.forget()}

    on_stage(story, tmp_path, hides=hides)


@pytest.mark.parametrize("hides", [False, True])
def test_a_404_to_a_stranger_takes_nothing_from_who_may_read(hides: bool, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(stage.alice, "moving") == 200
        assert await stage.pull(stage.bob, "moving") in (401, 404)
        assert await stage.pull(None, "moving") in (401, 404)
        stage.world.hostile.stop()
        assert await stage.pull(stage.alice, "moving") == 200, "stale, and not gone"

    def prepared(stage: Stage) -> None:
        stage.vault.push(PRIVATE, "moving", SECRET)

    async def whole(stage: Stage) -> None:
        prepared(stage)
        await story(stage)

    on_stage(whole, tmp_path, hides=hides)


def test_a_tag_that_its_reader_hears_is_gone_is_not_served_in_an_outage(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.vault.push(PRIVATE, "moving", SECRET)
        assert await stage.pull(stage.alice, "moving") == 200
        del stage.vault.content[PRIVATE, "manifests/moving"]
        assert await stage.pull(stage.alice, "moving") == 404
        stage.world.hostile.stop()
        assert await stage.pull(stage.alice, "moving") == 502

    on_stage(story, tmp_path)


def test_a_registry_of_passwords_is_asked_once_too(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.world.get("/v2/", stage.alice))[0].head.status == 200
        assert await stage.pull(stage.alice) == 200
        stage.vault.forget()
        for _ in range(20):
            assert (await stage.world.get("/v2/", stage.alice))[0].head.status == 200
            assert await stage.pull(stage.alice) == 200
        assert stage.vault.forget() == []
        assert (await stage.world.get("/v2/", basic("alice", "guess")))[0].head.status == 401
        assert await stage.pull(basic("alice", "guess")) == 401
        assert await stage.pull(stage.bob) == 401
        stage.world.hostile.stop()
        stage.world.now += 2 * HOUR
        assert (await stage.world.get("/v2/", stage.alice))[0].head.status == 200
        assert await stage.pull(stage.alice) == 200
        assert (await stage.world.get("/v2/", basic("dave", "d")))[0].head.status == 503
        assert await stage.pull(basic("dave", "d")) == 503

    on_stage(story, tmp_path, scheme="basic")


def test_a_token_for_a_registry_of_passwords_stands_for_the_password(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        answer, bearer = await stage.login(stage.alice)
        assert answer.head.status == 200
        assert (await stage.world.get(MANIFEST, bearer))[1] == SECRET
        assert (await stage.login(basic("alice", "guess")))[0].head.status == 401

    on_stage(story, tmp_path, scheme="basic")


def test_a_token_that_the_registry_gave_is_taken_to_it_and_remembered_by_itself(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.vault.issued["of-elsewhere"] = "alice", frozenset({PRIVATE})
        theirs = ("Authorization", "Bearer of-elsewhere")
        for _ in range(3):
            assert (await stage.world.get(MANIFEST, theirs))[1] == SECRET
        asked = [one for one in stage.vault.forget() if one[0] == "alice"]
        assert asked == [("alice", "HEAD", MANIFEST), ("alice", "GET", BY_DIGEST)]
        assert (await stage.world.get(MANIFEST, ("Authorization", "Bearer of-nobody")))[0].head.status == 401

    on_stage(story, tmp_path)


def test_what_an_own_identity_may_read_is_repeated_to_it_alone_and_until_it_is_asked_about_again(
    tmp_path: Path,
) -> None:
    async def story(stage: Stage) -> None:
        begun = stage.world.now
        await stage.pull(stage.alice)
        stage.world.now += 60
        answer, _ = await stage.get(stage.alice, MANIFEST)
        assert isinstance(answer, Stored | Reply)
        assert (answer.labels.outcome, answer.audience) == (Outcome.HIT, Audience.CALLER)
        assert answer.until == begun + HOUR
        _, bearer = await stage.login(stage.alice, PUBLIC)
        await stage.pull(None, repository=PUBLIC)
        answer, _ = await stage.world.get(f"/v2/{PUBLIC}/manifests/1.0", bearer)
        assert isinstance(answer, Stored | Reply)
        assert answer.until == stage.world.now + HOUR, "no longer than the token"
        stage.world.hostile.stop()
        stage.world.now += 1.5 * HOUR
        answer, _ = await stage.get(stage.alice, BY_DIGEST)
        assert isinstance(answer, Stored | Reply)
        assert (answer.head.status, answer.until <= stage.world.now) == (200, True)

    on_stage(story, tmp_path)


def test_a_grant_that_is_revoked_is_forgotten_everywhere(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.pull(stage.alice)
        await stage.pull(None, repository=PUBLIC)
        granted = stage.world.core.cache.granted
        (held,) = granted.own(None, "", "")
        assert (held.place, held.name) == ((QUAY, PRIVATE), "alice")
        assert [one.repository for one in await granted.standing(None, "")] == [PUBLIC]
        forgotten: list[Forget] = []
        stage.world.core.cache.watch(forgotten.append)
        assert await granted.revoke(QUAY, OTHER, "") == 0
        assert await granted.revoke(None, "", held.identity[:12]) == 1
        assert await granted.revoke(QUAY, PUBLIC, "") == 1
        assert forgotten == [Forget(QUAY, PRIVATE), Forget(QUAY, PUBLIC)]
        stage.vault.forget()
        assert await stage.pull(stage.alice) == 200
        assert [one for one in stage.vault.forget() if one[0] == "alice"] == [
            ("alice", "GET", "/token"),
            ("alice", "HEAD", MANIFEST),
        ]
        stage.vault.readers[PUBLIC].clear()
        assert await stage.pull(None, repository=PUBLIC) == 401

    on_stage(story, tmp_path)


def test_what_is_kept_of_callers_is_bounded_and_the_oldest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "MAX_GRANTS", 2)

    async def story(stage: Stage) -> None:
        logins = [stage.alice, *(stage.vault.user(name, name, PRIVATE) for name in ("carol", "dave"))]
        for login in logins:
            assert await stage.pull(login) == 200
        assert [held.name for held in stage.world.core.cache.granted.own(None, "", "")] == ["carol", "dave"]

    on_stage(story, tmp_path)


# What a block says of logins, and a tier of readers.


def test_where_logins_are_ours_those_of_clients_are_not_looked_at(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.world.get("/v2/"))[0].head.status == 200
        answer, body = await stage.world.get(f"{TOKEN}?scope=x", stage.alice)
        assert (answer.head.status, b"regproxy-anonymous" in body) == (200, True)
        assert await stage.pull(stage.alice) == 401
        assert await stage.pull(stage.alice, repository=PUBLIC) == 200
        assert {user for user, _, _ in stage.vault.asked} <= {"", "?"}

    on_stage(story, tmp_path, more=("client-auth ours;",))


def test_where_a_login_is_required_nobody_reads_without_one(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.world.get("/v2/", ANONYMOUS))[0].head.status == 401
        assert (await stage.world.get(f"{TOKEN}?scope=x"))[0].head.status == 401
        assert (await stage.world.core.cache.purging.refresh(TagKey(QUAY, PUBLIC, "1.0"))).after, "strangers read it"
        assert await stage.pull(stage.alice, repository=PUBLIC) == 200
        assert await stage.pull(basic("eve", "e"), repository=PUBLIC) == 401
        theirs = ("Authorization", "Bearer of-nobody")
        assert (await stage.world.get(f"/v2/{PUBLIC}/manifests/1.0", theirs))[0].head.status == 401
        for fields in ((), (ANONYMOUS,)):
            answer, _ = await stage.world.get(f"/v2/{PUBLIC}/manifests/1.0", *fields)
            assert answer.head.status == 401
            assert answer.head.get("www-authenticate") is not None
        stage.world.hostile.stop()
        assert await stage.pull(stage.alice, repository=PUBLIC) == 200

    on_stage(story, tmp_path, more=("client-auth required;",))


def test_where_anyone_reads_a_login_stores_for_all(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert await stage.pull(stage.alice) == 200
        assert await stage.pull(None) == 200
        assert await stage.pull(stage.bob) == 200

    on_stage(story, tmp_path, tiers=TIERS.replace("defaults {", "defaults { readers anyone;"))


def test_without_recheck_every_pull_is_asked_about(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        for _ in range(2):
            stage.vault.forget()
            assert await stage.pull(stage.alice) == 200
            assert ("alice", "GET", "/token") in stage.vault.forget()
        stage.vault.readers[PRIVATE].clear()
        assert await stage.pull(stage.alice) == 401
        stage.world.hostile.stop()
        assert await stage.pull(stage.alice) == 503

    on_stage(story, tmp_path, tiers=TIERS.replace("defaults {", "defaults { recheck 0s; stale auth 0s;"))


def test_a_limit_on_our_questions_does_not_lock_out_who_is_known(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.pull(stage.alice)
        stage.world.hostile.on("quay.io", "/v2/*", Answer(429))
        stage.world.now += HOUR + 1
        assert await stage.pull(stage.alice, sha256(SECRET)) == 200
        carol = stage.vault.user("carol", "c", PRIVATE)
        assert await stage.pull(carol, sha256(SECRET)) in (429, 503)

    on_stage(story, tmp_path)


def test_a_restart_and_a_replica_take_a_pull_on_where_it_was(tmp_path: Path) -> None:
    """The token says who asks; that it may is asked for again."""

    async def story(stage: Stage) -> None:
        _, bearer = await stage.login(stage.alice)
        await stage.world.restart()
        stage.vault.forget()
        assert (await stage.world.get(MANIFEST, bearer))[1] == SECRET
        assert ("alice", "GET", "/token") in stage.vault.forget()
        stage.world.now += 2 * HOUR
        assert (await stage.world.get(MANIFEST, bearer))[0].head.status == 401, "it ran out long ago"

    on_stage(story, tmp_path)


def test_the_disk_tells_nothing_of_a_login_so_a_restart_in_an_outage_knows_nobody(tmp_path: Path) -> None:
    """An identity that stands there means nothing any more: no password can be tried against it."""

    async def story(stage: Stage) -> None:
        for path in (MANIFEST, BLOB):
            assert (await stage.get(stage.alice, path))[0].head.status == 200
        (held, *_) = stage.world.core.cache.granted.own(None, "", "")
        _, bearer = await stage.login(stage.alice)
        await stage.world.restart()
        stored = b"".join(file.read_bytes() for file in sorted(stage.world.directory.rglob("*")) if file.is_file())
        assert SECRET in stored
        for word in ("alice", "wonderland", stage.alice[1].split()[1], bearer[1].split()[1]):
            assert word.encode() not in stored
        stage.world.hostile.stop()
        assert (await stage.get(stage.alice, MANIFEST))[0].head.status == 503
        answer, body = await stage.world.get(MANIFEST, bearer)
        assert (answer.head.status, SECRET in body) == (503, False)
        assert "cannot be asked now" in answer.head.reason
        stage.world.hostile.start()
        assert (await stage.get(stage.alice, MANIFEST))[0].head.status == 200
        (again,) = stage.world.core.cache.granted.own(None, "", "")
        assert (again.name, again.identity == held.identity) == ("alice", False)

    on_stage(story, tmp_path)
