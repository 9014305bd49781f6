"""Looking over a directory: what is wrong is named, what is right is left alone."""

import asyncio
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.model.entry import Link, LinkKey, content_path
from regproxy.model.oci import Kind
from regproxy.store.pools import Total
from regproxy.store.rows import Changes
from regproxy.store.scrub import Finding, Holding, looked_over
from tests.store.former import first_format
from tests.store.opening import KIB, digest_of, on_disk, opened, put

BODIES = [b"%d" % number * 3000 for number in range(8)]
HUB, QUAY = Authority("registry-1.docker.io", 443), Authority("quay.io", 443)


def link(authority: Authority, repository: str, body: bytes, kind: Kind = Kind.BLOB) -> tuple[LinkKey, Link]:
    return LinkKey(authority, repository, kind, digest_of(body)), Link("m", len(body), (), 1.0, "get")


def filled(directory: Path) -> None:
    async def story() -> None:
        async with opened(directory) as store:
            for body in BODIES:
                await put(store, body)
            links = (
                link(HUB, "library/redis", BODIES[0]),
                link(HUB, "library/redis", BODIES[0], Kind.MANIFEST),
                link(HUB, "library/redis", BODIES[1]),
                link(QUAY, "a/b", BODIES[0]),
                link(QUAY, "a/gone", b"gone"),
            )
            await store.record(Changes(links=links))

    asyncio.run(story())


def damaged(directory: Path) -> list[Finding]:
    """Change, cut, remove and add; what shall be said of it."""
    changed, cut, lost = (directory / content_path(digest_of(body)) for body in BODIES[:3])
    for path in (changed, cut):
        path.chmod(0o600)
    changed.write_bytes(b"x" + changed.read_bytes()[1:])
    cut.write_bytes(b"0")
    lost.unlink()
    stray = directory / content_path(digest_of(b"stray"))
    stray.parent.mkdir(exist_ok=True, parents=True)
    stray.write_bytes(b"stray")
    (directory / "blobs" / "README").write_text("foreign")
    found = [
        Finding("damaged", str(digest_of(BODIES[0])), len(BODIES[0])),
        Finding("damaged", str(digest_of(BODIES[1])), 1),
        Finding("lost", str(digest_of(BODIES[2])), 0),
        Finding("stray", str(digest_of(b"stray")), 5),
    ]
    return sorted(found, key=lambda finding: finding.digest)


def test_what_is_right_is_read_to_the_end_and_found_right(tmp_path: Path) -> None:
    filled(tmp_path)
    read: list[int] = []
    with looked_over(tmp_path) as directory:
        assert list(directory.verify(read.append)) == []
        assert directory.total() == Total(on_disk(tmp_path), len(BODIES))
    assert sorted(read) == sorted(len(body) for body in BODIES)
    assert (tmp_path / "CLEAN").exists()


def test_each_wrong_thing_is_named_and_removed_when_asked(tmp_path: Path) -> None:
    filled(tmp_path)
    expected = damaged(tmp_path)
    with looked_over(tmp_path) as directory:
        assert list(directory.verify(lambda _: None)) == expected
        assert (tmp_path / content_path(digest_of(b"stray"))).exists()
        for finding in directory.verify(lambda _: None):
            directory.remove(finding)
        assert list(directory.verify(lambda _: None)) == []
        assert directory.total() == Total(on_disk(tmp_path) - 4 * KIB, 5)
    (tmp_path / "blobs" / "README").unlink()

    async def story() -> None:
        async with opened(tmp_path) as store:
            known = [await store.content(digest_of(body)) is not None for body in BODIES]
            assert known == [False] * 3 + [True] * 5
            assert store.usage().content == on_disk(tmp_path)

    asyncio.run(story())


def test_a_row_that_names_no_file_is_told(tmp_path: Path) -> None:
    filled(tmp_path)
    with looked_over(tmp_path) as directory:
        for text in ("sha256:abc", "sha256:abz", "md5:0"):
            directory.tables.change("INSERT INTO content VALUES (?, 1, 1, 1.0, 1, 0, 0, 0, -1)", text)
        expected = {Finding("nameless", text, 0) for text in ("sha256:abc", "sha256:abz", "md5:0")}
        assert set(directory.verify(lambda _: None)) == expected
        for finding in expected:
            directory.remove(finding)
        assert directory.total().entries == len(BODIES)


def test_what_repositories_hold_is_told_by_registry(tmp_path: Path) -> None:
    filled(tmp_path)
    with looked_over(tmp_path) as directory:
        assert list(directory.holdings()) == [
            Holding("quay.io:443", "a/b", 1, 4 * KIB),
            Holding("registry-1.docker.io:443", "library/redis", 2, 8 * KIB),
        ]


def test_an_unclean_directory_stays_unclean_and_an_old_one_comes_forward(tmp_path: Path) -> None:
    first_format(tmp_path, b"{}", (b"content",))
    (tmp_path / "CLEAN").unlink()
    with looked_over(tmp_path) as directory:
        assert directory.total().entries == 2
        assert list(directory.verify(lambda _: None)) == []
    assert not (tmp_path / "CLEAN").exists()


def test_a_directory_in_use_and_one_without_a_cache_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no cache here"), looked_over(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []

    async def story() -> None:
        async with opened(tmp_path):
            with pytest.raises(BlockingIOError), looked_over(tmp_path):
                pass

    asyncio.run(story())


def test_a_damaged_index_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "meta.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(OSError, match="index failed"), looked_over(tmp_path):
        pass
    assert (tmp_path / "meta.sqlite").read_bytes() == b"garbage" * 1000
    assert not (tmp_path / "CLEAN").exists()
