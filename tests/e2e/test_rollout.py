"""A tag that moves while many pull it: no rollout sees two digests."""

import time
from dataclasses import dataclass
from threading import Barrier, Lock, Thread

from tests.e2e.conftest import Story, hostile_block
from tests.lab.answers import Answer, manifest
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.hostile import Hostile
from tests.lab.images import sha256
from tests.lab.policies import policy

TYPE = "application/vnd.oci.image.manifest.v1+json"
PATH = "/v2/team/app/manifests/latest"
PULLERS = 50
SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Pull:
    """When a client asked, when it was answered, and with which digest."""

    asked: float
    answered: float
    digest: str


def _answer(number: int) -> Answer:
    body = b'{"schemaVersion":2,"mediaType":"%s","annotations":{"n":"%d"},"layers":[]}' % (TYPE.encode(), number)
    return manifest(body, TYPE, sha256(body))


def test_who_asks_after_the_first_new_answer_never_gets_the_old_digest(
    story: Story, hostile: Hostile, pki: Pki
) -> None:
    hostile.on("registry.test", "/v2/", Answer(200, body=b"{}"))
    hostile.on("registry.test", PATH, _answer(1))
    new = _answer(2)
    assert isinstance(new.body, bytes)
    new_digest = sha256(new.body)
    hostile.on("registry.test", f"/v2/team/app/manifests/{new_digest}", new)
    tiers = "tier tags { match kind is manifest; fresh 1s; }\ntier rest { match any; pass; }\n"
    proxy = story.proxy(policy(hostile_block(hostile, pki), tiers=tiers))
    pulls: list[Pull] = []
    lock, ready, end = Lock(), Barrier(PULLERS + 1), time.monotonic() + 3600

    def pull_again_and_again() -> None:
        with Client(proxy.port, proxy.ca_file, "registry.test:443") as client:
            ready.wait()
            while time.monotonic() < end:
                asked = time.monotonic()
                reply = client.get(PATH, Accept=TYPE)
                with lock:
                    pulls.append(Pull(asked, time.monotonic(), reply.digest))

    threads = [Thread(target=pull_again_and_again) for _ in range(PULLERS)]
    for thread in threads:
        thread.start()
    ready.wait()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end - SECONDS * 2 / 3:
        time.sleep(0.05)
    hostile.on("registry.test", PATH, new)
    for thread in threads:
        thread.join(30)

    news = [pull.answered for pull in pulls if pull.digest == new_digest]
    assert news, "the moved tag must arrive"
    assert len(pulls) > PULLERS
    late = [pull for pull in pulls if pull.asked > min(news) and pull.digest != new_digest]
    assert late == []
