"""`regproxy cache import --from-seed`, on a cache that a real nginx filled with the seed's settings."""

import http.client
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from regproxy.model.oci import Kind
from regproxy.settings.seed_cache import seed_files
from tests.cli.test_cache import _regproxy
from tests.lab.images import sha256
from tests.lab.peers import need, search_path
from tests.lab.processes import Processes, answers, free_port

TYPE = "application/vnd.oci.image.manifest.v1+json"
# The caching layer of the seed: its key, its levels, its validity; the origin beside it serves files.
NGINX = """\
daemon off; master_process off; pid nginx.pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path client; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    proxy_cache_path cache levels=1:2 keys_zone=cache:10m use_temp_path=off inactive=60d max_size=32g;
    proxy_cache_key $uri;
    server {{
        listen 127.0.0.1:{origin};
        root origin;
        location ~ /manifests/ {{ default_type "{manifest}"; }}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{origin};
            proxy_cache cache;
            proxy_cache_valid 200 206 60d;
            proxy_cache_valid 404 1m;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Seed:
    """What nginx kept: the folder, and the bodies by their digests."""

    cache: Path
    bodies: dict[str, bytes]

    def file_of(self, digest: str) -> Path:
        """The file of nginx's that holds it."""
        (found,) = (file.path for file in seed_files(self.cache) if str(file.digest) == digest)
        return found


@pytest.fixture
def seed(tmp_path: Path, seed: int) -> Iterator[Seed]:
    need("nginx")
    dice, folder, bodies = random.Random(seed), tmp_path / "nginx", {}
    paths = ["/v2/library/redis/manifests/latest", "/v2/library/redis/tags/list", "/v2/library/redis/blobs/none"]
    for repository in ("library/redis", "prometheus/prometheus", "team/secret"):
        for verb in ("blobs", "blobs", "blobs", "manifests"):
            body = (
                dice.randbytes(dice.randrange(1, 300_000)) if verb == "blobs" else json.dumps([dice.random()]).encode()
            )
            bodies[sha256(body)] = body
            paths.append(f"/v2/{repository}/{verb}/{sha256(body)}")
            file = folder / "origin" / paths[-1].lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
    (folder / "origin" / "v2" / "library" / "redis" / "manifests" / "latest").write_bytes(b"{}")
    port, origin = free_port(), free_port()
    (folder / "nginx.conf").write_text(NGINX.format(port=port, origin=origin, manifest=TYPE))
    program = shutil.which("nginx", path=search_path()) or "nginx"
    with Processes(tmp_path / "logs") as processes:
        nginx = processes.add("nginx", [program, "-e", "stderr", "-p", str(folder), "-c", "nginx.conf"])
        nginx.start()
        nginx.wait_ready(lambda: answers(port) and answers(origin))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for path in paths:
            connection.request("GET", path)
            connection.getresponse().read()
        connection.close()
    yield Seed(folder / "cache", bodies)


def test_what_nginx_keeps_by_digest_is_read_with_its_name_and_type(seed: Seed) -> None:
    found = list(seed_files(seed.cache))
    assert {str(file.digest): file.size for file in found} == {one: len(body) for one, body in seed.bodies.items()}
    assert {file.media_type for file in found if file.kind is Kind.MANIFEST} == {TYPE}
    assert {file.repository for file in found} == {"library/redis", "prometheus/prometheus", "team/secret"}


def test_at_least_95_percent_of_the_bytes_are_taken_after_they_were_hashed(seed: Seed, tmp_path: Path) -> None:
    at, everything = ("--cache-dir", str(tmp_path / "cache")), ("--of", "docker.io/**")
    done = _regproxy("import", "--from-seed", str(seed.cache), *everything, "--json", *at)
    assert done.returncode == 0, done.stderr
    count = json.loads(done.stdout)
    assert count["bytes"] == sum(map(len, seed.bodies.values()))
    assert count["taken_bytes"] >= 0.95 * count["bytes"]
    verified = _regproxy("verify", *at)
    assert verified.stdout.startswith(f"{len(seed.bodies)} entries, ")
    assert "nothing is wrong" in verified.stdout
    again = _regproxy("import", "--from-seed", str(seed.cache), *everything, "--json", *at)
    assert json.loads(again.stdout) == count


def test_only_what_the_operator_says_a_registry_for_is_taken_and_no_wrong_byte(seed: Seed, tmp_path: Path) -> None:
    short = next(file for file in seed_files(seed.cache) if file.repository == "library/redis" and file.size > 1)
    whole = short.path.read_bytes()
    short.path.write_bytes(whole[:-1])
    at = ("--cache-dir", str(tmp_path / "cache"))
    named = ("--of", "docker.io/library/*", "--of", "quay.io/prometheus/*")
    done = _regproxy("import", "--from-seed", str(seed.cache), *named, "--json", *at)
    count = json.loads(done.stdout)
    assert (count["taken"], count["unnamed"], count["wrong"]) == (7, 4, 1)
    assert f"does not hash to {short.digest}" in done.stderr
    told = [line.split()[2:] for line in _regproxy("du", *at).stdout.splitlines()]
    assert ["registry-1.docker.io:443", "library/redis"] in told
    assert ["quay.io:443", "prometheus/prometheus"] in told
    assert not [line for line in told if "team/secret" in line]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a LAYOUT, or the seed's cache"),
        (("--from-seed", "/"), "do not say from which registry"),
        (("--from-seed", "/", "--of", "*.example/x"), "no"),
        (("--from-seed", "/", "--of", "stranger.example/**"), "the policy names no registry stranger.example"),
        (("/", "--from-seed", "/"), "name a LAYOUT, or"),
    ],
)
def test_what_names_no_origin_is_a_usage_error(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = _regproxy("import", *arguments, "--cache-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_files_that_are_none_of_nginxs_are_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "seed" / "a" / "bc"
    folder.mkdir(parents=True)
    for name, body in (("0" * 32, b""), ("1" * 32, b"\x05" * 400), ("2" * 32, bytes(4000)), ("README", b"x")):
        (folder / name).write_bytes(body)
    (folder / ("3" * 32)).symlink_to("/etc/passwd")
    assert list(seed_files(tmp_path / "seed")) == []
    done = _regproxy(
        "import", "--from-seed", str(tmp_path / "seed"), "--of", "docker.io/**", "--cache-dir", str(tmp_path)
    )
    assert done.returncode == 1
    assert done.stdout.startswith("0 of 0 taken")
