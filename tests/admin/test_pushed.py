"""Messages of registries about pushes, in the forms that their documentation shows."""

import json

import pytest

from regproxy.admin.pushed import MAX_PUSHED, pushed

DIGEST = "sha256:fea8895f450959fa676bcc1df0611ea93823a735a01205fd8622846041d0c7cf"
# Each after the example of the sender's documentation, shortened to what says which tag it is, and to its neighbours.
DISTRIBUTION = {
    "events": [
        {
            "id": "320678d8-ca14-430f-8bb6-4ca139cd83f7",
            "timestamp": "2016-03-09T14:44:26.402973972-08:00",
            "action": "pull",
            "target": {
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "size": 708,
                "digest": DIGEST,
                "length": 708,
                "repository": "hello-world",
                "url": f"http://192.168.100.227:5000/v2/hello-world/manifests/{DIGEST}",
                "tag": "latest",
            },
            "request": {"id": "6df24a34", "addr": "192.168.64.11:42961", "host": "192.168.100.227:5000"},
            "actor": {},
        },
        {
            "action": "push",
            "target": {
                "mediaType": "application/vnd.docker.container.image.rootfs.diff+x-gtar",
                "digest": DIGEST,
                "repository": "library/test",
                "url": f"http://example.com/v2/library/test/blobs/{DIGEST}",
            },
            "request": {"host": "example.com"},
        },
        {
            "action": "push",
            "target": {"digest": DIGEST, "repository": "library/test", "tag": "v1", "url": ""},
            "request": {"host": "registry.example.com:5000"},
        },
        {
            "action": "push",
            "target": {"repository": "library/test", "tag": "v2", "url": "https://example.com/v2/library/test/x"},
            "request": {},
        },
    ]
}
HARBOR = {
    "type": "PUSH_ARTIFACT",
    "occur_at": 1586922308,
    "operator": "admin",
    "event_data": {
        "resources": [
            {"digest": DIGEST, "tag": "latest", "resource_url": "hub.harbor.com/test-webhook/debian:latest"},
            {"digest": DIGEST, "tag": "", "resource_url": f"hub.harbor.com/test-webhook/debian@{DIGEST}"},
        ],
        "repository": {
            "name": "debian",
            "namespace": "test-webhook",
            "repo_full_name": "test-webhook/debian",
            "repo_type": "private",
        },
    },
}
CLOUD_EVENTS = {
    "specversion": "1.0",
    "type": "harbor.artifact.pushed",
    "source": "/projects/1/webhook/policies/15",
    "data": {"resources": HARBOR["event_data"]["resources"]},  # type: ignore[index]
}
DOCKERHUB = {
    "callback_url": "https://registry.hub.docker.com/u/svendowideit/testhook/hook/2141b5bi5i5b02bec211i4eeih0242eg1/",
    "push_data": {"pushed_at": 1417566161, "pusher": "trustedbuilder", "tag": "latest"},
    "repository": {"name": "testhook", "namespace": "svendowideit", "repo_name": "svendowideit/testhook"},
}
GHCR = {
    "action": "published",
    "package": {
        "name": "Hello-World",
        "package_type": "CONTAINER",
        "owner": {"login": "Codertocat"},
        "package_version": {"version": DIGEST, "container_metadata": {"tag": {"name": "latest", "digest": DIGEST}}},
    },
}
UNTAGGED = {"registry_package": {"package_version": {"container_metadata": {"tag": {"name": "", "digest": DIGEST}}}}}
QUAY = {
    "name": "repository",
    "repository": "dgangaia/test",
    "namespace": "dgangaia",
    "docker_url": "quay.io/dgangaia/test",
    "homepage": "https://quay.io/repository/dgangaia/repository",
    "updated_tags": ["latest", "v1"],
}


@pytest.mark.parametrize(
    ("sender", "told", "registry", "found"),
    [
        (
            "distribution",
            DISTRIBUTION,
            "",
            ("registry.example.com:5000/library/test:v1", "example.com/library/test:v2"),
        ),
        ("gitlab", DISTRIBUTION, "gitlab.corp", ("gitlab.corp/library/test:v1", "gitlab.corp/library/test:v2")),
        ("harbor", HARBOR, "", ("hub.harbor.com/test-webhook/debian:latest",)),
        ("harbor", CLOUD_EVENTS, "harbor.corp", ("harbor.corp/test-webhook/debian:latest",)),
        ("harbor", {"type": "PULL_ARTIFACT"}, "", ()),
        ("dockerhub", DOCKERHUB, "", ("docker.io/svendowideit/testhook:latest",)),
        ("ghcr", GHCR, "", ("ghcr.io/codertocat/hello-world:latest",)),
        ("ghcr", UNTAGGED, "", ()),
        ("quay", QUAY, "", ("quay.io/dgangaia/test:latest", "quay.io/dgangaia/test:v1")),
        ("quay", {**QUAY, "updated_tags": {"latest": "b750fe79269d"}}, "", ("quay.io/dgangaia/test:latest",)),
    ],
)
def test_each_sender_is_understood(sender: str, told: object, registry: str, found: tuple[str, ...]) -> None:
    assert pushed(sender, json.dumps(told).encode(), registry) == found


@pytest.mark.parametrize("sender", ["distribution", "harbor", "gitlab", "dockerhub", "ghcr", "quay"])
@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"null", b"[]", b"7", b'"x"', b"{}", b'{"events":7,"type":[]}', b"[" * 100_000]
)
def test_what_is_no_message_says_so(sender: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^the body is no (JSON|message of \w+)$"):
        pushed(sender, body)


@pytest.mark.parametrize("tag", ["*", "**", "[a]", "{a,b}", "a?", "a b", "a\n", "", "a/b:c", "x" * 600])
def test_no_pattern_and_no_other_image_hides_in_a_tag(tag: str) -> None:
    body = json.dumps({**QUAY, "updated_tags": [tag]}).encode()
    with pytest.raises(ValueError, match="in the message is no name of a tag"):
        pushed("quay", body)


def test_a_message_names_so_many_tags_and_no_more() -> None:
    tags = [f"v{number}" for number in range(MAX_PUSHED + 1)]
    with pytest.raises(ValueError, match="at most 100 are taken at once"):
        pushed("quay", json.dumps({**QUAY, "updated_tags": tags}).encode())
