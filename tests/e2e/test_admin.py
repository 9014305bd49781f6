"""The running proxy asked at an address, by whoever knows the token."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.admin.asking import ask
from tests.e2e.conftest import Story, hostile_block
from tests.e2e.test_live import REFERENCE, run
from tests.e2e.test_reload import serve_manifest, tags
from tests.lab.certificates import Pki
from tests.lab.client import Refused, connect
from tests.lab.hostile import Hostile
from tests.lab.policies import policy
from tests.lab.processes import free_port
from tests.lab.proxy import regproxy, regproxy_environment

TOKEN = "0123456789abcdef0123456789abcdef"
OPEN = 'tunnel { ports any; allow-address "127.0.0.0/8"; }\n'


def test_an_address_is_asked_with_the_token_and_led_to_by_no_tunnel(
    story: Story, hostile: Hostile, pki: Pki, tmp_path: Path
) -> None:
    serve_manifest(hostile)
    port, token = free_port(), tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    arguments = ["--admin", f"127.0.0.1:{port}", "--admin", "off", "--admin-token-file", str(token)]
    proxy = story.proxy(policy(hostile_block(hostile, pki), tiers=tags("5m"), head=OPEN), arguments=arguments)
    at = ("--admin", f"http://127.0.0.1:{port}", "--admin-token-file", str(token))
    assert json.loads(run("status", "--json", *at).stdout)["state"] == "ready"
    assert run("prefetch", "run", REFERENCE, *at).returncode == 0
    assert run("cache", "purge", REFERENCE, *at).stdout == f"{REFERENCE}\n"
    assert ask(port, "GET", "/api/v1/status").status == 401

    lines = [line for line in proxy.log() if line.get("event") == "admin"]
    assert [(line["who"], line["call"], line["status"]) for line in lines] == [
        ("127.0.0.1", "POST /prefetch", 200),
        ("127.0.0.1", "POST /images/purge", 200),
    ]
    assert TOKEN not in proxy.process.output()
    with pytest.raises(Refused) as refused:
        connect(proxy.port, f"127.0.0.1:{port}").close()
    assert refused.value.status == 403

    wrong = tmp_path / "wrong"
    wrong.write_text("f" * 32)
    said = run("status", *at[:2], "--admin-token-file", str(wrong))
    assert (said.returncode, "the token of --admin-token-file is asked for" in said.stderr) == (2, True)

    described = json.loads(ask(port, "GET", "/api/v1/openapi.json", {"Authorization": f"Bearer {TOKEN}"}).body)
    operations = [one for path in described["paths"].values() for one in path.values()]
    assert len(operations) > 15
    for operation in operations:
        assert operation["summary"].endswith("."), operation
        assert all(one["description"] for one in operation["parameters"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--admin", "127.0.0.1:9129"), "needs a token that callers must know; give --admin-token-file FILE"),
        (("--admin", "127.0.0.1:9129", "--admin-token-file", "/nonexistent"), "No such file or directory"),
        (("--admin", "127.0.0.1:9129", "--admin-token-file", "/dev/null"), "/dev/null is empty"),
        (("--admin", "nowhere"), "'nowhere' has no port"),
        (("--admin", "off", "--admin", "unix:/a"), "--admin says off and unix:/a; give one of them"),
    ],
)
def test_what_would_open_the_proxy_to_anybody_is_refused_at_start(arguments: tuple[str, ...], said: str) -> None:
    command = regproxy("serve", *arguments)
    done = subprocess.run(command, env=regproxy_environment(), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
