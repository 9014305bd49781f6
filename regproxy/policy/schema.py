"""The one table of the language: every block and directive with its arguments, default and meaning.

It drives the checks, the hints and the docs. A form is read word by word: CAPITALS are types (`forms.py`), lower-case
words stand for themselves, `a|b` is a choice, `...` means one or more, `[ ]` encloses what may be left out.
"""

from collections.abc import Iterator, Mapping

from regproxy.policy.block import BlockType, Directive, blocks, directives
from regproxy.policy.schema_client import ACCESS, CLIENT_GROUP, USERS
from regproxy.policy.schema_registry import REGISTRY
from regproxy.policy.schema_test import TEST
from regproxy.policy.schema_warm import WARM

VERSION = 1


_MAX_OBJECT = Directive(
    "max-object",
    "SIZE",
    "pass on unstored what is larger: blobs, also those without a length, and bodies of `fresh origin`",
    "no limit",
)

TERMS = directives(
    Directive(
        "fresh",
        "DURATION|forever|origin",
        "serve for so long without asking; `0s` asks each time, and outages are survived all the same; `origin`: as "
        "long as the answer's own fields say (RFC 9111), for lists and paths outside /v2/",
        "0s",
    ),
    Directive(
        "stale if-error",
        "DURATION|forever on FAILURE...",
        "serve what is stored when the upstream fails so, for so long after freshness ended",
        "never",
    ),
    Directive(
        "stale while-revalidate",
        "DURATION",
        "serve what is stored for so long after freshness ended, and ask meanwhile: a rollout may see two digests",
        "0s",
    ),
    Directive(
        "revalidate",
        "head|etag|full [within DURATION]",
        "how to ask whether a tag moved; when asking takes longer than `within`, serve what is stored",
        "head",
    ),
    Directive(
        "stale auth",
        "DURATION",
        "while a registry cannot say whether a caller may still read, go by what it said last for so long",
        "4h",
    ),
    Directive(
        "readers",
        "granted|anyone",
        "who is served what is stored: who may read it at the registry; or anyone, private images included",
        "granted",
    ),
    Directive(
        "recheck",
        "DURATION",
        "ask the registry again after so long whether who reads a repository still may: strangers, whoever is lent a "
        "credential, a caller with a login",
        "1h",
    ),
    Directive(
        "keep",
        "normal|briefly|pinned",
        "when room is needed: `briefly` leaves first, `pinned` only when nothing else can; beyond half of the cache "
        "what is pinned is as any other, and `inactive` counts for it, too",
        "normal",
    ),
    Directive(
        "prefetch",
        "on|off",
        "when a manifest was fetched for a client, fetch what its image lacks, for platforms that clients pulled "
        "before, while the registry is quiet; off where clients read manifests and pull nothing",
        "off",
    ),
    Directive("negative", "NOT_FOUND... for DURATION", "remember that something does not exist", "not remembered"),
    _MAX_OBJECT,
)

CACHE = BlockType(
    "cache",
    "limits of the cache on disk",
    directives(
        Directive("size", "SIZE", "bytes on disk at most", "32GiB"),
        Directive("inactive", "DURATION|forever", "forget content that nobody used for so long", "60d"),
        Directive("min-free", "SIZE|PERCENT", "leave so much of the disk free", "10%"),
        _MAX_OBJECT,
        Directive(
            "evict",
            "lru|s3fifo",
            "which layers leave first: the least recently used, or those that nobody asked for twice",
            "s3fifo",
        ),
        Directive(
            "durability",
            "full|data|none",
            "what is on the disk before it counts as stored: bytes, name and row; the bytes; or nothing yet, and what "
            "an unclean stop leaves in doubt is read again before it is served",
            "data",
        ),
    ),
)

TUNNEL = BlockType(
    "tunnel",
    "what clients may reach through us without being intercepted",
    directives(
        Directive("allow", "HOST_GLOB...", "tunnel to these hosts only"),
        Directive("deny", "HOST_GLOB...", "never tunnel to these hosts; wins over allow"),
        Directive("ports", "any|PORT...", "ports that tunnels may use", "443"),
        Directive("allow-address", "CIDR...", "addresses that tunnels may reach beside public ones"),
        Directive(
            "proxy",
            "PROXY",
            "tunnel through this HTTP proxy, which then looks up names and keeps its own rules; a host that a registry "
            "block with a `proxy` names is tunnelled through that one",
            "straight",
        ),
        Directive("proxy file", "SECRET_FILE", "the same; the file holds the URL, credentials included"),
        Directive("proxy env", "VARIABLE", "the same; the variable holds the URL, credentials included"),
        Directive("no-proxy", "DIRECT...", "tunnel straight to these hosts, and to these addresses where one is named"),
        Directive("no-proxy env", "VARIABLE", "the same, as other programs read NO_PROXY; entries have no ports"),
        Directive(
            "connect-timeout",
            "TIMEOUT",
            "for the look-up of a name and for each of its addresses; through a proxy until it has answered",
            "5s",
        ),
        Directive("idle-timeout", "TIMEOUT", "for a tunnel in which nothing moves either way", "10m"),
    ),
)

DEFAULTS = BlockType("defaults", "what a tier grants where it does not say otherwise", TERMS)

TIER = BlockType(
    "tier",
    "one rule: the first tier whose match holds decides",
    {
        **TERMS,
        **directives(
            Directive("pass", "", "pass the request on, store nothing"),
            Directive("deny", "STATUS REASON", "refuse the request with this status and text"),
        ),
    },
    named="NAME",
    once=False,
    has_match=True,
)

POLICY = BlockType(
    "policy",
    "a policy file",
    directives(
        Directive("policy", "INTEGER", "the version of the language; stands first"),
        Directive("include", "TEXT", "take in files below the policy's folder: `conf.d/*.policy`", repeatable=True),
        Directive("include known", "TEXT", "take in a packaged file", repeatable=True),
        USERS,
    ),
    blocks(CACHE, CLIENT_GROUP, ACCESS, REGISTRY, TUNNEL, DEFAULTS, TIER, WARM, TEST),
)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

ATTRIBUTES: Mapping[str, str] = {
    "kind": "manifest blob tags referrers catalog upload other",
    "host": "the registry's host; with a port in the pattern, host:port",
    "registry": "the name of the registry block",
    "repo": "the repository",
    "tag": "the tag, where there is one",
    "digest": "the digest, where there is one",
    "ref": "the tag or the digest",
    "method": " ".join(METHODS),
    "path": "the path of the request",
    "client": "the client, by address as CIDR or by the name of a client-group",
}

OPERATORS: Mapping[str, str] = {
    "is": "this value",
    "in": "one of these values",
    "like": "a glob over the whole value: `*` stops at `/`, in hosts at `.`; `**` stops at nothing",
    "matches": "a regular expression (RE2) over the whole value",
    "finds": "a regular expression (RE2) anywhere in the value",
}
# Attributes from a closed choice or of a type of their own: only literals make sense.
LITERAL_OPERATORS = ("is", "in")
LITERAL_ATTRIBUTES = frozenset({"kind", "method", "client"})


def operators(attribute: str) -> tuple[str, ...]:
    """The operators that an attribute can be tested with, each also with `not`."""
    return LITERAL_OPERATORS if attribute in LITERAL_ATTRIBUTES else tuple(OPERATORS)


def every_block(outer: BlockType = POLICY) -> Iterator[BlockType]:
    """A kind of block and all kinds inside it."""
    yield outer
    for inner in outer.blocks.values():
        yield from every_block(inner)
