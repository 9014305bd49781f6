"""Opening a cache directory: whose it is, which format it has, and what an unclean stop leaves of it."""

import asyncio
import errno
import fcntl
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from regproxy.model.entry import content_path
from regproxy.model.event import EntryEvicted
from regproxy.model.oci import parse_digest
from regproxy.store.content import Store
from regproxy.store.index import Tables
from regproxy.store.recovery import claim
from regproxy.store.rows import Changes
from regproxy.store.schema import FORMAT
from tests.store.dying import FIRST, KEY, MEANING, SECOND
from tests.store.opening import Watch, digest_of, limits, on_disk, opened, put, tree
from tests.store.toiling import LIMITS

ROOT = Path(__file__).parents[2]
BODY = b"content " * 1000
DIGEST = digest_of(BODY)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "place",
    [
        "os:pwritev",
        "os:fdatasync",
        "os:fchmod",
        "regproxy.store.files:publish",
        "pathlib:Path.rename",
        "regproxy.store.index:Tables.change",
        "regproxy.store.eviction:forget",
        "pathlib:Path.unlink",
        "regproxy.store.room:evict",
        "regproxy.store.index:Index._close",
        "pathlib:Path.touch",
    ],
)
def test_a_process_killed_at_any_step_leaves_only_verified_content(tmp_path: Path, place: str, when: str) -> None:
    command = [sys.executable, "-m", "tests.store.dying", str(tmp_path), place, when]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, (done.stdout, done.stderr)

    async def story() -> None:
        async with opened(tmp_path) as store:
            assert list((tmp_path / "tmp").iterdir()) == []
            found = [body for body in (FIRST, SECOND) if await store.content(digest_of(body))]
            assert found, "the old left only after the new had come"
            assert tree(tmp_path) == sorted(content_path(digest_of(body)) for body in found)
            for body in found:
                assert (tmp_path / content_path(digest_of(body))).read_bytes() == body
            assert store.usage().content == on_disk(tmp_path)
            assert await store.binding(KEY) == MEANING
            await put(store, SECOND)

    asyncio.run(story())


LIVES = 50


def test_whenever_a_busy_process_is_killed_what_it_leaves_is_true_and_counted(
    tmp_path: Path, soak: float, seed: int
) -> None:
    """Five lives on one directory, each cut off at its own point; what the last one stored is still there."""
    chance = random.Random(seed)

    async def check(last: str) -> None:
        async with opened(tmp_path, LIMITS) as store:
            assert list((tmp_path / "tmp").iterdir()) == []
            names = tree(tmp_path)
            for name in names:
                assert content_path(digest_of((tmp_path / name).read_bytes())) == name
            usage = store.usage()
            assert (usage.entries, usage.content) == (len(names), on_disk(tmp_path))
            assert await store.content(parse_digest(last)) is not None

    for life in range(round(LIVES * soak)):
        command = [sys.executable, "-m", "tests.store.toiling", str(tmp_path), str(life)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(chance.randrange(1, 60))]
            process.kill()
            lines += process.stdout.read().splitlines(keepends=True)
        whole = [line.strip() for line in lines if line.endswith("\n")]
        asyncio.run(check(whole[-1]))


def test_a_second_process_is_told_that_the_directory_is_in_use(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path):
            with pytest.raises(BlockingIOError, match="in use by another regproxy") as caught:
                await Store.open(tmp_path, limits(), Watch(), lambda _: None)
            assert caught.value.filename == str(tmp_path)
        async with opened(tmp_path):
            pass

    asyncio.run(story())


def test_the_directory_and_its_parents_are_made_for_us_alone(tmp_path: Path) -> None:
    directory = tmp_path / "var" / "cache"

    async def story() -> None:
        async with opened(directory) as store:
            await put(store, BODY)
            assert directory.stat().st_mode & 0o777 == 0o700
            assert (directory / "blobs").stat().st_mode & 0o777 == 0o700
            assert (directory / "meta.sqlite").stat().st_mode & 0o777 == 0o600
            assert (directory / "VERSION").read_text() == f"{FORMAT}\n"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (f"{FORMAT + 1}\n", rf"newer regproxy .format {FORMAT + 1}, this one knows {FORMAT}."),
        ("seven", "'seven', which is no regproxy cache format"),
    ],
)
def test_a_format_we_do_not_know_is_refused_with_the_ways_out(tmp_path: Path, version: str, words: str) -> None:
    (tmp_path / "VERSION").write_text(version)
    for _ in range(2):
        with pytest.raises(ValueError, match=words) as caught:
            claim(tmp_path)
        assert "choose another --cache-dir" in str(caught.value)
        assert str(tmp_path) in str(caught.value)
    assert not (tmp_path / "tmp").exists()


def test_somebody_elses_tmp_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "thesis").write_text("unsaved")
    with pytest.raises(ValueError, match="holds 'tmp' but no VERSION file"):
        claim(tmp_path)
    assert (tmp_path / "tmp" / "thesis").read_text() == "unsaved"


def test_the_seeds_cache_volume_can_be_used_and_its_files_stay(tmp_path: Path) -> None:
    old = tmp_path / "0" / "12" / "d41d8cd98f00b204e9800998ecf8427e"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"nginx")

    async def story() -> None:
        for _ in range(2):
            async with opened(tmp_path) as store:
                await put(store, BODY)
        assert old.read_bytes() == b"nginx"

    asyncio.run(story())


def test_a_start_that_was_killed_half_way_is_finished_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "LOCK").touch()
    (tmp_path / "VERSION.new").write_text("")
    claim(tmp_path).release(clean=False)
    assert (tmp_path / "VERSION").read_text() == f"{FORMAT}\n"


def test_what_is_no_directory_is_refused_by_name(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.touch()
    with pytest.raises(OSError, match=r"cannot be used \(File exists\); name another with --cache-dir") as caught:
        claim(place)
    assert caught.value.filename == str(place)


def test_a_read_only_directory_is_refused_by_name(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys\nfrom regproxy.store.recovery import claim\n"
        "try:\n claim(pathlib.Path(sys.argv[1]))\nexcept OSError as error:\n print(error)"
    )
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$1" -c "$2" "$0"'
    command = ["unshare", "-m", "sh", "-c", mount, str(tmp_path), sys.executable, script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("mounting needs root")
    assert "the cache directory cannot be used (Read-only file system)" in done.stdout
    assert str(tmp_path) in done.stdout


def test_a_failed_start_lets_go_of_the_directory(tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "VERSION").write_text("1\n")
        (tmp_path / "meta.sqlite").mkdir()
        with pytest.raises(IsADirectoryError):
            await Store.open(tmp_path, limits(), Watch(), lambda _: None)
        (tmp_path / "meta.sqlite").rmdir()
        async with opened(tmp_path):
            pass

    asyncio.run(story())


def unclean(directory: Path, *bodies: bytes) -> None:
    """A directory as a killed process leaves it."""

    async def story() -> None:
        async with opened(directory) as store:
            for body in bodies:
                await put(store, body)

    asyncio.run(story())
    (directory / "CLEAN").unlink()


def place(directory: Path, body: bytes, name: bytes) -> Path:
    """A file in the tree without a row, under the digest of `name`."""
    path = directory / content_path(digest_of(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


@pytest.mark.parametrize("now", [1e6, 2e10], ids=["the clock is behind", "the clock is ahead"])
def test_a_file_without_a_row_is_adopted_only_when_it_hashes_to_its_name(tmp_path: Path, now: float) -> None:
    unclean(tmp_path)
    place(tmp_path, BODY, BODY)
    wrong = place(tmp_path, b"wrong", b"right")
    watch = Watch(now=now)

    async def story() -> None:
        async with opened(tmp_path, watch=watch) as store:
            found = await store.content(DIGEST)
            assert found is not None
            assert found.last_used == min(now, (tmp_path / content_path(DIGEST)).stat().st_mtime)
            assert await store.content(digest_of(b"right")) is None
            assert not wrong.exists()
            assert store.usage().content == on_disk(tmp_path)
            assert watch.events == [EntryEvicted(5, "damaged")]

    asyncio.run(story())


def test_a_row_without_its_whole_file_is_dropped(tmp_path: Path) -> None:
    unclean(tmp_path, BODY, b"lost", b"short", b"kept")
    (tmp_path / content_path(digest_of(b"lost"))).unlink()
    short = tmp_path / content_path(digest_of(b"short"))
    short.unlink()
    short.write_bytes(b"")

    async def story() -> None:
        async with opened(tmp_path) as store:
            assert store.usage().entries == 3
            assert await store.content(digest_of(b"short")) is None, "seen at look-up: a start reads names alone"
            assert await store.content(digest_of(b"kept")) is not None
            assert not short.exists()
            assert (store.usage().entries, store.usage().content) == (2, on_disk(tmp_path))

    asyncio.run(story())


def test_whatever_else_lies_in_the_tree_is_ignored(tmp_path: Path) -> None:
    unclean(tmp_path)
    folder = tmp_path / "blobs" / "sha256" / "ab"
    folder.mkdir(parents=True)
    (folder / "README").touch()
    (folder / digest_of(BODY).encoded).write_bytes(BODY)
    (folder / ("ab" + "0" * 62)).symlink_to("/etc/passwd")
    (folder / ("ab" + "1" * 62)).mkdir()
    os.mkfifo(folder / ("ab" + "2" * 62))
    (tmp_path / "blobs" / "stray").touch()
    (tmp_path / "tmp" / "folder").mkdir()

    async def story() -> None:
        async with opened(tmp_path) as store:
            assert store.usage().entries == 0
            assert await store.content(DIGEST) is None

    asyncio.run(story())
    assert (folder / "README").exists()
    assert (folder / ("ab" + "0" * 62)).is_symlink()


def test_after_a_clean_stop_nothing_is_read_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            await put(store, BODY)
            assert not (tmp_path / "CLEAN").exists()
        assert (tmp_path / "CLEAN").exists()
        orphan = place(tmp_path, b"x", b"x")
        async with opened(tmp_path) as store:
            assert store.usage().entries == 1
        assert orphan.exists()

    asyncio.run(story())


def test_a_stop_with_a_damaged_index_is_not_called_clean(tmp_path: Path) -> None:
    def damage(tables: Tables) -> None:
        tables.change("UPDATE binding SET digest = 'sha256:nonsense'")

    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.record(Changes(bindings=((KEY, MEANING),)))
            await store._index.run(damage)
            with pytest.raises(OSError, match="not a sha256 digest"):
                await store.binding(KEY)
        assert not (tmp_path / "CLEAN").exists()

    asyncio.run(story())


def test_leftover_part_files_are_gone_at_start(tmp_path: Path) -> None:
    unclean(tmp_path)
    (tmp_path / "tmp" / "0123.part").write_bytes(b"half")
    claim(tmp_path).release(clean=False)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_lock_held_by_another_process_is_respected(tmp_path: Path) -> None:
    with (tmp_path / "LOCK").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="in use") as caught:
            claim(tmp_path)
        assert caught.value.errno in (errno.EAGAIN, errno.EWOULDBLOCK)
