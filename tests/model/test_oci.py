"""What a path asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regproxy.model.oci import (
    Kind,
    Malformed,
    OtherPath,
    Ping,
    Resource,
    TokenRequest,
    classify,
    is_repository,
    is_tag,
    parse_digest,
)

HEX = "a" * 64
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("target", "kind", "repository", "reference"),
    [
        ("/v2/library/nginx/manifests/1.25", Kind.MANIFEST, "library/nginx", "1.25"),
        (f"/v2/a/manifests/{DIGEST}", Kind.MANIFEST, "a", DIGEST),
        (f"/v2/a/b/c/blobs/{DIGEST}?ns=docker.io", Kind.BLOB, "a/b/c", DIGEST),
        (f"/v2/a/blobs/sha256%3A{HEX}", Kind.BLOB, "a", DIGEST),
        (f"/v2/a/referrers/{DIGEST}?artifactType=x", Kind.REFERRERS, "a", DIGEST),
        ("/v2/a/tags/list?n=10&last=b", Kind.TAGS, "a", ""),
        ("/v2/_catalog?n=10", Kind.CATALOG, "", ""),
        ("/v2/a/blobs/uploads/", Kind.UPLOAD, "a", ""),
        ("/v2/a/blobs/uploads/0b1-x?digest=y", Kind.UPLOAD, "a", ""),
        ("/v2/manifests/manifests/manifests", Kind.MANIFEST, "manifests", "manifests"),
        ("/v2/tags/list/tags/list", Kind.TAGS, "tags/list", ""),
    ],
)
def test_a_path_names_a_resource(target: str, kind: Kind, repository: str, reference: str) -> None:
    found = classify(target)
    assert isinstance(found, Resource)
    assert (found.kind, found.repository, found.reference) == (kind, repository, reference)


def test_queries_of_content_are_dropped_and_those_of_lists_kept() -> None:
    blob, tags = classify(f"/v2/a/blobs/{DIGEST}?ns=docker.io"), classify("/v2/a/tags/list?n=1")
    assert isinstance(blob, Resource)
    assert isinstance(tags, Resource)
    assert blob.target == f"/v2/a/blobs/{DIGEST}"
    assert tags.target == "/v2/a/tags/list?n=1"


def test_pings_and_tokens_are_no_resources() -> None:
    assert classify("/v2/") == Ping()
    assert classify("/v2") == Ping()
    assert classify("/v2/_regproxy/token?service=x") == TokenRequest("service=x")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v2/evil/x/manifests/../../../library/alpine/manifests/latest", 400),
        ("/v2/a/./manifests/x", 400),
        ("/v2//a/manifests/x", 400),
        ("/v2/a%2fb/manifests/x", 400),
        ("/v2/a/manifests/%2e%2e", 400),
        ("/v2/A/manifests/x", 400),
        ("/v2/a/manifests/-x", 400),
        ("/v2/a/manifests/x/", 404),
        (f"/v2/a/manifests/{'x' * 129}", 400),
        ("/v2/a/manifests/sha256:abc", 400),
        ("/v2/a/manifests/sha256:../../etc", 400),
        (f"/v2/a/blobs/sha256:{HEX.upper()}", 400),
        (f"/v2/a/blobs/sha512:{HEX}", 400),
        (f"/v2/{'a/' * 200}manifests/x", 400),
        ("/v2/a/unknown/x", 404),
        ("/v2/a", 404),
        (f"/v2/a/tags/list?n={'1' * 3000}", 400),
        ("/%76%32/a/manifests/x", 400),
        ("/%56%32/a/manifests/x", 400),
        ("//v2/a/manifests/x", 400),
        ("/x/../v2/a/manifests/y", 400),
        ("/V2/a/manifests/x", 400),
        ("/v1/", 405),
        ("/v1/_ping", 405),
    ],
)
def test_what_the_grammar_does_not_have_is_refused_here(target: str, status: int) -> None:
    found = classify(target)
    assert isinstance(found, Malformed)
    assert found.status == status


@pytest.mark.parametrize(
    "target",
    ["/", "/v1/search?q=x", "/token?scope=x", "/group/project.git/info/refs", "/api/v2.0/x", "/v20/x", "/a%20b"],
)
def test_other_paths_are_passed_as_they_stand(target: str) -> None:
    assert classify(target) == OtherPath(target)


@given(st.text(max_size=200))
def test_classify_never_raises_and_resources_keep_the_grammar(text: str) -> None:
    found = classify(f"/v2/{text}")
    if isinstance(found, Resource):
        assert found.kind is Kind.CATALOG or is_repository(found.repository)
        assert found.tag is None or is_tag(found.tag)
        assert ".." not in found.path.split("/")


def test_only_hashes_that_can_be_computed_are_verifiable() -> None:
    assert parse_digest(f"sha512:{'b' * 128}").verifiable
    assert not parse_digest("blake3:abc").verifiable
