"""Two proxies with one CA and a cache each behind a balancer: a pull may begin at one and end at the other."""

import base64
import json
import shutil
from threading import Thread

import pytest

from tests.e2e.conftest import ALICE, PRIVATE, Images, Story
from tests.lab.balancer import Balancer
from tests.lab.clients import Containerd, Dockerd, proxied
from tests.lab.peers import need
from tests.lab.proxy import Proxy
from tests.lab.registry import Registry

pytestmark = pytest.mark.real
PULLS = 100  # of each client


def test_no_private_pull_fails_behind_a_balancer_and_a_replica_may_be_replaced(
    story: Story, both: str, hub: Registry, images: Images, soak: float, seed: int
) -> None:
    need("containerd", "dockerd")
    digest = hub.push(images.small(5), f"{PRIVATE}:1")
    first = Proxy(story.processes, story.directory / "first", both).start()
    shutil.copytree(first.directory / "ca", story.directory / "second" / "ca")
    second = Proxy(story.processes, story.directory / "second", both).start()
    login = f"{ALICE.user}:{ALICE.password}"
    with Balancer([first.port, second.port], seed) as balancer:
        home = story.directory / "home"
        environment = {**proxied(first, home), "HTTPS_PROXY": balancer.url, "HTTP_PROXY": balancer.url}
        auth = {"auth": base64.b64encode(login.encode()).decode()}
        (home / "config.json").write_text(json.dumps({"auths": {"https://index.docker.io/v1/": auth}}))
        containerd = Containerd(story.processes, environment, story.directory / "containerd", login).start()
        dockerd = Dockerd(story.processes, environment, story.directory / "dockerd").start()
        pulls = int(PULLS * soak / 2)
        again = 0
        for number in range(2 * pulls):
            replacing = Thread(target=lambda: (second.stop(), second.start())) if number == pulls else None
            if replacing is not None:
                replacing.start()
            for client in (containerd, dockerd):
                pulled = client.pull(f"docker.io/{PRIVATE}:1")
                if not pulled.ok and number >= pulls:
                    again += 1  # what a client, or who runs it, does by itself
                    pulled = client.pull(f"docker.io/{PRIVATE}:1")
                assert pulled.ok, pulled.output
                assert digest in pulled.digests
                client.remove(f"docker.io/{PRIVATE}:1")
            if replacing is not None:
                replacing.join()
        assert again <= 2
        assert min(balancer.taken.values()) > 2 * pulls
