"""A registry's own push notification: the tag is new at the next pull, however long it would be fresh."""

import hmac
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.admin.asking import ask
from tests.e2e.conftest import Story, hostile_block
from tests.e2e.test_cache_commands import NEW, get
from tests.e2e.test_live import run
from tests.e2e.test_reload import HOST, MANIFEST, TAG, TYPE, serve_manifest, tags
from tests.lab.answers import manifest
from tests.lab.certificates import Pki
from tests.lab.hostile import Hostile
from tests.lab.images import sha256
from tests.lab.policies import policy
from tests.lab.processes import free_port

TOKEN = "0123456789abcdef0123456789abcdef"
BODY = json.dumps({"docker_url": f"{HOST}/team/app", "updated_tags": ["latest", "never-pulled"]}).encode()
Way = Callable[[str], tuple[str, dict[str, str]]]


def signed(secret: str) -> tuple[str, dict[str, str]]:
    return "", {"X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), BODY, 'sha256').hexdigest()}"}


WAYS: dict[str, Way] = {
    "bearer": lambda secret: ("", {"Authorization": f"Bearer {secret}"}),
    "header": lambda secret: ("", {"Authorization": secret}),
    "gitlab": lambda secret: ("", {"X-Gitlab-Token": secret}),
    "query": lambda secret: (f"?token={secret}", {}),
    "signature": signed,
}


def test_a_push_is_seen_at_the_next_pull(story: Story, hostile: Hostile, pki: Pki, tmp_path: Path) -> None:
    serve_manifest(hostile)
    port, token = free_port(), tmp_path / "token"
    token.write_text(TOKEN)
    arguments = ["--admin", f"127.0.0.1:{port}", "--admin", "off", "--admin-token-file", str(token)]
    proxy = story.proxy(policy(hostile_block(hostile, pki), tiers=tags("5m")), arguments=arguments)
    told = json.loads(run("hooks", "--json", "--admin-token-file", str(token)).stdout)
    secret, path = told["secret"], told["paths"]["quay"]
    assert f"secret {secret}" in run("hooks", "--admin-token-file", str(token)).stdout

    means = MANIFEST
    assert get(proxy) == means
    for name, way in WAYS.items():
        means = NEW if means == MANIFEST else MANIFEST
        hostile.on(HOST, TAG, manifest(means, TYPE, sha256(means)))
        assert get(proxy) != means, name
        query, headers = way("f" * 64)
        assert ask(port, "POST", f"{path}{query}", headers, BODY).status == 401, name
        query, headers = way(secret)
        done = ask(port, "POST", f"{path}{query}", headers, BODY)
        assert (done.status, json.loads(done.body)) == (200, {"expired": [f"{HOST}/team/app:latest"], "ignored": {}})
        assert get(proxy) == means, name

    bearer = {"Authorization": f"Bearer {secret}"}
    assert ask(port, "GET", "/api/v1/status", bearer).status == 401, "the hooks' secret opens nothing else"
    assert ask(port, "POST", path, bearer, b"{}").status == 400
    assert ask(port, "POST", path, {**bearer, "Content-Length": "300000"}).status == 400
    assert ask(port, "POST", "/api/v1/hooks/other", bearer, BODY).status == 404
    assert ask(port, "GET", path, bearer).status == 405
    elsewhere = json.dumps({"docker_url": "elsewhere.example/a", "updated_tags": ["1"]}).encode()
    ignored = json.loads(ask(port, "POST", path, bearer, elsewhere).body)["ignored"]
    assert list(ignored) == ["elsewhere.example/a:1"]
    assert secret not in proxy.process.output()
    lines = [line for line in proxy.log() if line.get("event") == "admin" and line["status"] == 200]
    assert len(lines) == 2 * len(WAYS)


@pytest.mark.parametrize("text", ["", "short"])
def test_the_hooks_have_no_secret_without_a_token(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    done: subprocess.CompletedProcess[str] = run("hooks", "--admin-token-file", str(tmp_path / "token"))
    assert (done.returncode, "openssl rand -hex 32" in done.stderr) == (2, True)
