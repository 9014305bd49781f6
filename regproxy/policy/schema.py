"""The one table of the language: every block and directive with its arguments, default and meaning.

It drives the checks, the hints and the docs. A form is read word by word: CAPITALS are types (`forms.py`), lower-case
words stand for themselves, `a|b` is a choice, `...` means one or more, `[ ]` encloses what may be left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

VERSION = 1


@dataclass(frozen=True, slots=True)
class Directive:
    """One statement: its key (one or two words), the form of its arguments, what it means."""

    key: str
    form: str
    doc: str
    default: str = ""
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class BlockType:
    """One kind of block; `once` blocks stand at most once in their parent.

    `named` says how its name is written: empty, it has none; NAME, a bare word; SENTENCE, a string.
    """

    key: str
    doc: str
    directives: Mapping[str, Directive] = field(default_factory=dict)
    blocks: Mapping[str, "BlockType"] = field(default_factory=dict)
    named: Literal["", "NAME", "SENTENCE"] = ""
    once: bool = True
    has_match: bool = False
    required: str = ""


def _directives(*rows: Directive) -> Mapping[str, Directive]:
    return {row.key: row for row in rows}


def _blocks(*rows: BlockType) -> Mapping[str, BlockType]:
    return {row.key: row for row in rows}


_MAX_OBJECT = Directive(
    "max-object",
    "SIZE",
    "pass on unstored what is larger: blobs, also those without a length, and bodies of `fresh origin`",
    "no limit",
)

TERMS = _directives(
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
    Directive("negative", "NOT_FOUND... for DURATION", "remember that something does not exist", "not remembered"),
    _MAX_OBJECT,
)

CACHE = BlockType(
    "cache",
    "limits of the cache on disk",
    _directives(
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

UPSTREAM = BlockType(
    "upstream",
    "how to reach the registry",
    _directives(
        Directive(
            "connect-to",
            "HOST ENDPOINT",
            "dial the second where the first is meant; name and certificate stay those of the first",
            repeatable=True,
        ),
        Directive("proxy", "PROXY", "reach the registry through this HTTP proxy, which then looks up its name"),
        Directive("proxy file", "SECRET_FILE", "the same; the file holds the URL, credentials included"),
        Directive("proxy env", "VARIABLE", "the same; the variable holds the URL, credentials included"),
    ),
)

TLS = BlockType(
    "tls",
    "how to trust the registry",
    _directives(Directive("ca", "file TEXT", "certificates to trust beside the system's", repeatable=True)),
)

LIMITS = BlockType(
    "limits",
    "what each registry of the block is asked for at most",
    _directives(
        Directive(
            "pulls",
            "RATE",
            "GETs of manifests, which registries count, from each host in any such span; beyond, as if it limited us",
            "no limit of ours",
        ),
        Directive(
            "concurrent", "CONCURRENCY", "requests at once to the hosts of the block; others wait", "128 and 128"
        ),
    ),
)

REGISTRY = BlockType(
    "registry",
    "hosts that share settings; each host is a registry of its own",
    _directives(
        Directive("hosts", "HOST_PATTERN...", "the registries: host[:port], a leading `*.` is one label"),
        Directive("aliases", "HOST...", "other names of the block's only host, answered as that host"),
        Directive("token-hosts", "HOST_PATTERN...", "where the registries issue tokens; tunnelled, may be private"),
        Directive("redirect-hosts", "HOST_PATTERN...", "where blobs are redirected to; tunnelled, may be private"),
        Directive("scheme", "https|http", "how the registries are spoken to", "https"),
        Directive("intercept", "on|off", "off: tunnel these hosts and cache nothing", "on"),
        Directive("allow-address", "CIDR...", "addresses that this block may reach, loopback too"),
    ),
    _blocks(UPSTREAM, TLS, LIMITS),
    named="NAME",
    once=False,
    required="hosts",
)

TUNNEL = BlockType(
    "tunnel",
    "what clients may reach through us without being intercepted",
    _directives(
        Directive("allow", "HOST_GLOB...", "tunnel to these hosts only"),
        Directive("deny", "HOST_GLOB...", "never tunnel to these hosts; wins over allow"),
        Directive("ports", "any|PORT...", "ports that tunnels may use", "443"),
        Directive("allow-address", "CIDR...", "addresses that tunnels may reach beside public ones"),
    ),
)

DEFAULTS = BlockType("defaults", "what a tier grants where it does not say otherwise", TERMS)

TIER = BlockType(
    "tier",
    "one rule: the first tier whose match holds decides",
    {
        **TERMS,
        **_directives(
            Directive("pass", "", "pass the request on, store nothing"),
            Directive("deny", "STATUS REASON", "refuse the request with this status and text"),
        ),
    },
    named="NAME",
    once=False,
    has_match=True,
)

TEST = BlockType(
    "test",
    "what the policy must do with one request; a policy whose tests fail is not used",
    _directives(
        Directive(
            "request",
            "METHOD REFERENCE [from ADDRESS]",
            'what a client asks for, an image like "docker.io/library/redis:7" or a URL, and its address',
        ),
        Directive(
            "given stored",
            "nothing|age|gone [DURATION]",
            "what is stored: nothing; an answer last validated so long ago; or one that vanished so long ago",
            "nothing",
        ),
        Directive(
            "given upstream",
            "same|moved|slow|dns|connect|tls|timeout|reset|credential|FAILED_STATUS",
            "what the registry does when asked: has the same; has another answer under this name; answers later "
            "than any `within`; gives no usable answer; or answers this status",
            "same",
        ),
        Directive(
            "given quota",
            "exhausted",
            "the registry's pull limit is used up: a GET of a manifest is answered 429, a HEAD is free",
            "not exhausted",
        ),
        Directive("expect tier", "TIER", "the tier that decides; `unmatched` when none does"),
        Directive("expect outcome", "OUTCOME", "how the request is answered, as in the log's `outcome`"),
        Directive("expect status", "ANSWER_STATUS", "the status that the client gets"),
        Directive("expect fresh", "DURATION|forever|origin", "for how long what is stored is served without asking"),
        Directive("expect pass", "", "the request is passed on and nothing is stored"),
        Directive("expect deny", "STATUS", "the policy refuses the request with this status"),
        Directive("expect connect", "intercept|tunnel|refuse", "what the client's CONNECT leads to"),
    ),
    named="SENTENCE",
    once=False,
)

POLICY = BlockType(
    "policy",
    "a policy file",
    _directives(
        Directive("policy", "INTEGER", "the version of the language; stands first"),
        Directive("include", "TEXT", "take in files below the policy's folder: `conf.d/*.policy`", repeatable=True),
        Directive("include known", "TEXT", "take in a packaged file", repeatable=True),
    ),
    _blocks(CACHE, REGISTRY, TUNNEL, DEFAULTS, TIER, TEST),
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
    "client": "the client's address, as CIDR",
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
