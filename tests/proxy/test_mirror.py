"""What a request to the mirror means, and how its answer looks."""

import pytest

from regproxy.model.address import Authority
from regproxy.model.answer import Reply
from regproxy.model.event import Labels, Outcome
from regproxy.model.message import Head, field
from regproxy.proxy.mirror import HUB, MAX_PARAMETERS, Mirror, Mirrored, is_mirrored, read_mirrored

QUAY, OWN = Authority("quay.io", 443), Authority("r.example", 5000)


@pytest.mark.parametrize(
    ("target", "is_one"),
    [("/v2/", True), ("/v2", True), ("/v2/?ns=a", True), ("/v2/a/b/tags/list", True), ("/v2x", False), ("/", False)],
)
def test_what_lies_below_v2_is_the_mirrors(target: str, is_one: bool) -> None:
    assert is_mirrored(target) is is_one


@pytest.mark.parametrize(
    ("target", "mirrored"),
    [
        ("/v2/library/redis/manifests/7", Mirrored(HUB, "/v2/library/redis/manifests/7")),
        ("/v2/a/b/manifests/7?ns=quay.io", Mirrored(QUAY, "/v2/a/b/manifests/7", "quay.io")),
        ("/v2/a/b/tags/list?n=5&ns=docker.io&last=x%2Fy", Mirrored(HUB, "/v2/a/b/tags/list?n=5&last=x/y", "docker.io")),
        (
            "/v2/a/b/blobs/d?ns=r.example:5000",
            Mirrored(OWN, "/v2/a/b/blobs/d", "r.example:5000"),
        ),
        ("/v2/quay.io/a/b/manifests/7?x=1", Mirrored(QUAY, "/v2/a/b/manifests/7?x=1", "quay.io")),
        ("/v2/", Mirrored(HUB, "/v2/")),
        ("/v2/_regproxy/token?ns=quay.io&scope=a", Mirrored(QUAY, "/v2/_regproxy/token?scope=a", "quay.io")),
        ("/v2/_regproxy/token?scope=a", Mirrored(HUB, "/v2/_regproxy/token?scope=a")),
    ],
)
def test_the_registry_is_named_by_a_parameter_or_by_the_path_or_is_the_hub(target: str, mirrored: Mirrored) -> None:
    assert read_mirrored(target) == mirrored


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("/v2/?ns=a.example&ns=b.example", "names more than one registry"),
        ("/v2/?ns=", "is not a host name"),
        ("/v2/?ns=a/b", "host"),
        ("/v2/a..b/x", "host"),
        ("/v2/?" + "&".join(f"a{number}" for number in range(MAX_PARAMETERS + 1)), "more than 20 parameters"),
    ],
)
def test_what_names_no_registry_is_an_error(target: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_mirrored(target)


def test_the_challenge_leads_to_the_mirror_and_the_registry_is_named() -> None:
    value = 'Bearer realm="https://quay.io/v2/_regproxy/token",service="quay.io",scope="repository:a/b:pull"'
    answer = Reply(Head(401, (("WWW-Authenticate", value), ("A", "b"))), b"", Labels(Outcome.LOCAL))
    shown = Mirror("http://cache.lan:3128", Mirrored(QUAY, "/v2/", "quay.io")).shown(answer)
    realm = 'realm="http://cache.lan:3128/v2/_regproxy/token?ns=quay.io"'
    assert field(shown.head.fields, "www-authenticate") == (
        f'Bearer {realm},service="quay.io",scope="repository:a/b:pull"'
    )
    assert (field(shown.head.fields, "oci-namespace"), field(shown.head.fields, "a")) == ("quay.io", "b")
    assert field(Mirror("http://x", Mirrored(HUB, "/v2/")).shown(answer).head.fields, "oci-namespace") is None
