"""What pages say of a call's answer."""

from collections.abc import Mapping

import pytest

from regproxy.admin.outcome import lines

REFRESHED = {"image": "a/b:1", "before": "sha256:" + "0" * 64, "after": None, "failure": ""}


@pytest.mark.parametrize(
    ("path", "told", "said"),
    [
        ("/images/purge", {"images": []}, ["Nothing of that name is in the cache."]),
        ("/images/purge", {"images": ["a/b:1"], "dry_run": True}, ["a/b:1"]),
        ("/images/purge", {"images": ["a/b:1"], "contents": 2, "bytes": 2048}, ["2 contents, 2.0 KiB freed", "a/b:1"]),
        ("/images/refresh", {"images": [REFRESHED]}, ["a/b:1: sha256:000000000000 -> nothing"]),
        ("/images/refresh", {"images": [{**REFRESHED, "failure": "answered 500"}]}, ["a/b:1: answered 500"]),
        ("/image/restore", {"image": "a/b:1", "digest": "sha256:00", "seconds": 86400}, ["a/b:1 is sha256:00 for 1d"]),
        ("/prefetch", {"image": "a/b:1", "state": "waiting"}, ["a/b:1 is on its way"]),
        (
            "/prefetch",
            {"image": "a/b:1", "dry_run": True, "known": True, "missing": 2, "bytes": 2048},
            ["a/b:1: 2 contents, 2.0 KiB, would be fetched"],
        ),
        (
            "/prefetch",
            {"image": "a/b:1", "dry_run": True, "known": True, "missing": 0, "bytes": 0},
            ["a/b:1 is here: the registry would be asked whether it moved"],
        ),
        (
            "/upstreams/test",
            {"authority": "a", "status": 401, "milliseconds": 1.5, "failure": ""},
            ["a answered 401 in 1.5 ms"],
        ),
        ("/upstreams/test", {"authority": "a", "failure": "dns", "detail": "no such host"}, ["a: no such host"]),
        ("/upstreams/block", {"authority": "a", "blocked_until": 3700.0}, ["a is not asked for 1h"]),
        ("/grants/revoke", {"revoked": 2}, ["2 revoked: the registry is asked again for whoever comes next"]),
        ("/upstreams/unblock", {"authority": "a", "changed": True}, ["a is asked again"]),
        (
            "/policy/reload",
            {"result": "failure", "findings": [{"file": "p", "line": 2, "code": "RP101", "sentence": "unknown"}]},
            ["The policy that ran runs on.", "p:2: RP101 unknown"],
        ),
        ("/policy/reload", {"result": "failure", "detail": "gone"}, ["The policy that ran runs on.", "gone"]),
        ("/policy/reload", {"result": "success", "changes": ["a: b"]}, ["The new policy runs.", "a: b"]),
    ],
)
def test_an_answer_in_lines(path: str, told: Mapping[str, object], said: list[str]) -> None:
    assert lines(path, told, 100.0) == said
