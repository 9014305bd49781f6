"""Heads and bodies of answers: what a stored row looks like to a client, and how failures read."""

from regproxy.model.address import Authority
from regproxy.model.answer import Reply
from regproxy.model.decision import FailureClass
from regproxy.model.entry import Binding, Link
from regproxy.model.event import Labels
from regproxy.model.message import Fields, Head, end_to_end, only, without
from regproxy.model.oci import Digest
from regproxy.model.refusal import failure_status, refusal
from regproxy.upstream.failure import UpstreamFailed

# What is worth keeping of a registry's answer; never Set-Cookie, quota headers or dates.
STORED_FIELDS = frozenset(["content-type", "etag", "last-modified", "link", "oci-filters-applied", "oci-subject"])
# What an answer that is not stored may carry to the client on /v2/.
RELAYED_FIELDS = STORED_FIELDS | frozenset(
    "docker-content-digest docker-distribution-api-version content-range accept-ranges retry-after warning location "
    "ratelimit-limit ratelimit-remaining ratelimit-reset docker-ratelimit-source www-authenticate content-length "
    "content-encoding docker-upload-uuid range date cache-control vary allow".split()
)
API_VERSION: Fields = (("Docker-Distribution-Api-Version", "registry/2.0"),)


def kept_fields(fields: Fields) -> Fields:
    """The fields of an upstream answer that its stored row keeps, less the Content-Type, which has its own column."""
    return without(only(end_to_end(fields), STORED_FIELDS), ["content-type"])


def content_head(digest: Digest, media_type: str, fields: Fields, age: float) -> Head:
    """The head of a stored manifest or blob; its entity tag is its digest, as registries do it."""
    return Head(
        200,
        (
            ("Content-Type", media_type or "application/octet-stream"),
            ("Docker-Content-Digest", str(digest)),
            ("ETag", f'"{digest}"'),
            ("Accept-Ranges", "bytes"),
            ("Age", str(max(0, int(age)))),
            *API_VERSION,
            *without(fields, ["etag"]),
        ),
    )


def binding_head(binding: Binding, now: float) -> Head:
    """The head of a tag's manifest."""
    return content_head(binding.digest, binding.media_type, binding.fields, now - binding.validated_at)


def link_head(digest: Digest, link: Link, now: float) -> Head:
    """The head of content asked for by digest."""
    return content_head(digest, link.media_type, link.fields, now - link.checked_at)


def with_length(head: Head, size: int) -> Head:
    """The head with Content-Length: what an answer to HEAD needs (clients fail without it)."""
    return Head(head.status, (*without(head.fields, ["content-length"]), ("Content-Length", str(size))), head.reason)


def relayed(head: Head, body: bytes, labels: Labels, challenge: Fields = ()) -> Reply:
    """An upstream's small answer, its fields filtered; a 401 carries `challenge`, ours, instead of its own."""
    fields = without(only(end_to_end(head.fields), RELAYED_FIELDS), ["content-length", "location"])
    if head.status == 401 and challenge:
        fields = (*without(fields, ["www-authenticate"]), *challenge)
    return Reply(Head(head.status, fields, head.reason), body, labels)


def failed(error: UpstreamFailed, labels: Labels) -> Reply:
    """What a client reads when the upstream gave no usable answer."""
    head, body = refusal(failure_status(error.failure), "UNAVAILABLE", f"regproxy: {error.detail}", API_VERSION)
    return Reply(head, body, labels)


def unusable(authority: Authority, error: UpstreamFailed | ValueError) -> UpstreamFailed:
    """A failure as such; an answer that makes no sense or is too large counts as a connection that broke."""
    return (
        error if isinstance(error, UpstreamFailed) else UpstreamFailed(FailureClass.RESET, f"{authority.name}: {error}")
    )


def refused(status: int, code: str, sentence: str, labels: Labels, fields: Fields = ()) -> Reply:
    """A refusal of our own."""
    head, body = refusal(status, code, sentence, (*API_VERSION, *fields))
    return Reply(head, body, labels)
