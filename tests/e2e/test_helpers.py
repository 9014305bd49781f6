"""A credential helper beside the proxy: private images are pulled with what it says."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.conftest import ALICE, PRIVATE, Images, Story, hub_block
from tests.e2e.test_lending import ROBOT, harbor, harbor_block, leaks
from tests.lab.certificates import Pki
from tests.lab.policies import policy
from tests.lab.registry import Registry
from tests.lab.tokens import Account

pytestmark = pytest.mark.real
__all__ = ["harbor"]
COMMAND = "docker-credential-lab"
AUTH = f'auth helper {{ command "{COMMAND}"; }}'


def keychain(directory: Path) -> Path:
    """A helper that has one file for each registry."""
    directory.mkdir()
    path = directory / COMMAND
    path.write_text(f'#!/bin/sh\nread -r host; exec cat "{directory}/$(basename "$host").json"\n')
    path.chmod(0o755)
    return directory


def keep(directory: Path, host: str, account: Account) -> None:
    (directory / f"{host}.json").write_text(json.dumps({"Username": account.user, "Secret": account.password}))


def test_private_images_are_pulled_with_what_a_helper_says(
    story: Story, hub: Registry, harbor: Registry, pki: Pki, images: Images
) -> None:
    digest = hub.push(images.small(4), f"{PRIVATE}:1")
    assert harbor.push(images.small(4), "team/app:1") == digest
    helpers = keychain(story.directory / "helpers")
    # Docker Hub goes by the name of its index: https://index.docker.io/v1/.
    keep(helpers, "v1", ALICE)
    keep(helpers, "harbor.test", ROBOT)
    text = policy(replace(hub_block(hub, pki), more=(AUTH,)), harbor_block(harbor, pki, AUTH))
    proxy = story.proxy(text, permit=("harbor.test",), arguments=("--helper-dir", str(helpers)), workers=2)
    client = story.client("skopeo", proxy)
    for reference in (f"docker.io/{PRIVATE}:1", "harbor.test/team/app:1"):
        pulled = client.pull(reference)
        assert pulled.ok, pulled.output
        assert digest in pulled.digests
    assert leaks(proxy, ALICE.password) == leaks(proxy, ROBOT.password) == []


def test_a_proxy_that_cannot_run_the_helper_does_not_start_and_says_what_to_do(
    story: Story, hub: Registry, pki: Pki
) -> None:
    text = policy(replace(hub_block(hub, pki), more=(AUTH,)))
    with pytest.raises(AssertionError, match=r"ended with 1:[^$]*RP306[^$]*by --helper-dir"):
        story.proxy(text)
