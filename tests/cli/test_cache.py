"""`regproxy cache`, run as people run it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from regproxy.model.address import Authority
from regproxy.model.entry import Link, LinkKey, content_path
from regproxy.model.oci import Kind
from regproxy.store.rows import Changes
from tests.store.opening import digest_of, opened, put

ROOT = Path(__file__).parents[2]
BODY = b"content " * 1000


def _regproxy(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(ROOT), **environ}
    command = [sys.executable, "-W", "error", "-m", "regproxy", "cache", *arguments]
    return subprocess.run(command, env=kept, capture_output=True, text=True, check=False, cwd="/", timeout=60)


def _filled(directory: Path) -> None:
    async def story() -> None:
        async with opened(directory) as store:
            await put(store, BODY)
            await put(store, b"other")
            key = LinkKey(Authority("quay.io", 443), "a/b", Kind.BLOB, digest_of(BODY))
            await store.record(Changes(links=((key, Link("m", len(BODY), (), 1.0, "get")),)))

    asyncio.run(story())


def test_verify_finds_and_removes_what_does_not_match(tmp_path: Path) -> None:
    _filled(tmp_path)
    good = _regproxy("verify", "--cache-dir", str(tmp_path))
    assert (good.returncode, good.stdout, good.stderr) == (0, "2 entries, 7.8 KiB read: nothing is wrong\n", "")
    path = tmp_path / content_path(digest_of(BODY))
    path.chmod(0o600)
    path.write_bytes(bytes(len(BODY)))
    bad = _regproxy("verify", REGPROXY_CACHE_DIR=str(tmp_path))
    assert (bad.returncode, bad.stdout) == (
        1,
        f"damaged  {digest_of(BODY)} 8000\n2 entries, 7.8 KiB read: 1 damaged\n",
    )
    removed = _regproxy("verify", "--remove", "--json", "--cache-dir", str(tmp_path))
    lines = [json.loads(line) for line in removed.stdout.splitlines()]
    assert removed.returncode == 1
    assert lines == [
        {"fault": "damaged", "digest": str(digest_of(BODY)), "size": 8000, "removed": True},
        {"entries": 1, "bytes_read": 8005, "wrong": 1},
    ]
    assert not path.exists()
    assert _regproxy("verify", "--cache-dir", str(tmp_path)).returncode == 0


def test_du_tells_bytes_by_registry_and_repository(tmp_path: Path) -> None:
    _filled(tmp_path)
    told = _regproxy("du", "--cache-dir", str(tmp_path))
    assert [line.split() for line in told.stdout.splitlines()] == [
        ["8192", "1", "quay.io:443", "a/b"],
        ["0", "0", "pinned"],
        ["12288", "2", "total"],
    ]
    lines = [json.loads(line) for line in _regproxy("du", "--json", "--cache-dir", str(tmp_path)).stdout.splitlines()]
    assert lines == [
        {"registry": "quay.io:443", "repository": "a/b", "entries": 1, "bytes": 8192},
        {"total": 12288, "entries": 2, "pinned": 0},
    ]


def test_a_cache_in_use_and_no_cache_are_said_so(tmp_path: Path) -> None:
    none = _regproxy("verify", "--cache-dir", str(tmp_path / "none"))
    assert (none.returncode, none.stdout) == (1, "")
    assert "there is no cache here" in none.stderr

    async def story() -> None:
        async with opened(tmp_path):
            used = await asyncio.to_thread(_regproxy, "du", "--cache-dir", str(tmp_path))
            assert (used.returncode, used.stdout) == (1, "")
            assert "a regproxy runs on this cache; stop it first" in used.stderr

    asyncio.run(story())
