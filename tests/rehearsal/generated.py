"""Policies and requests by chance, made of what tells each other apart: what is proved is held against them."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from regproxy.model.decision import PolicyRequest
from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source
from regproxy.rehearsal.reference import rehearse

REGISTRIES = """client-group ci { address "10.1.0.0/16" "2001:db8::1"; user "runner"; }
client-group ops { user "ann" "runner"; }
registry hub { hosts "hub.example"; aliases "alias.example"; }
registry lan { hosts "*.lan.example:5000" "own.lan.example:5000"; }
registry off { hosts "off.example"; intercept off; }
"""
KINDS = ("manifest", "blob", "tags", "referrers", "catalog", "upload", "other")
DIGESTS = (f"sha256:{'0' * 64}", f"sha256:{'a' * 64}", f"sha512:{'0' * 128}", "other:a", "sha256+x:a")
TAGS = ("latest", "v1.2.3", "1.2", "stable", "main-2", "a", "LATEST", "x" * 128, "sha256-a.sig", "_")
REPOSITORIES = ("library/redis", "team-a/x/y", "solo", "team-a/z", "a__b/c-d", "/".join("r" * 128))
HOSTS = ("hub.example", "own.lan.example:5000", "a.lan.example:5000", "b2.lan.example:5000")
CLIENTS = ("10.0.0.1", "10.1.2.3", "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1", "255.255.255.255")
USERS = ("", "ann", "runner", "somebody")
METHODS = ("GET", "HEAD", "POST", "DELETE", "PROPFIND")
OTHERS = ("/", "/v1/search", "/login", "/team-a/x", "/é", "/v2x", "/a/v2")

TEXTS = {
    "tag": TAGS,
    "ref": (*TAGS, *DIGESTS),
    "digest": DIGESTS,
    "repo": REPOSITORIES,
    "path": (*OTHERS, "/v2/solo/tags/list", f"/v2/solo/blobs/{DIGESTS[0]}", "/v2/_catalog"),
}
GLOBS = (
    "*",
    "**",
    "v*",
    "?",
    "library/*",
    "*/x/*",
    "{latest,main-?}",
    "1.*",
    "sha256:*",
    "/v2/**",
    "[a-m]*",
    "team-a/**",
)
REGEXES = (
    r"v?\d+(\.\d+)*", "lat.*", "l|s.*", ".*", "team-a/.*", r"(?i)latest", r"\bv1\b.*", r"[^/]+/x.*", r".*\d.*",
    "/v2/.*", r"sha256:[a-f0-9]+", r"\pL+", r"x{128}", "(?:r/)*r", ".*é.*", r"^\w+$", "(a|b)__?b/c.d",
)  # fmt: skip


def _quoted(values: Sequence[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(values).map(lambda value: f"'{value}'")


def comparisons() -> st.SearchStrategy[str]:
    """One test of the language."""
    texts = st.sampled_from(sorted(TEXTS))
    literal = texts.flatmap(lambda one: st.tuples(st.just(one), st.sampled_from(["is", "is not"]), _quoted(TEXTS[one])))
    glob = st.tuples(texts, st.sampled_from(["like", "not like"]), _quoted(GLOBS))
    regex = st.tuples(texts, st.sampled_from(["matches", "finds", "not matches"]), _quoted(REGEXES))
    kind = st.tuples(st.just("kind"), st.sampled_from(["is", "is not"]), st.sampled_from(KINDS))
    method = st.tuples(st.just("method"), st.sampled_from(["is", "not in"]), st.sampled_from(["GET", "HEAD", "POST"]))
    host = st.tuples(
        st.just("host"), st.sampled_from(["is", "is not"]), _quoted([one.partition(":")[0] for one in HOSTS])
    )
    hosts = st.tuples(st.just("host"), st.just("like"), _quoted(("*.lan.example", "a*.lan.example:5000", "**", "?.**")))
    registry = st.tuples(st.just("registry"), st.sampled_from(["is", "is not"]), st.sampled_from(["hub", "lan", "off"]))
    ranges = _quoted(("10.0.0.0/8", "10.0.0.0/30", "::/0")) | st.sampled_from(["ci", "ops"])
    client = st.tuples(st.just("client"), st.sampled_from(["in", "not in"]), ranges)
    return st.one_of(literal, glob, regex, kind, method, host, hosts, registry, client).map(" ".join) | st.just("any")


def expressions() -> st.SearchStrategy[str]:
    """What may stand behind `match`."""
    return st.recursive(
        comparisons(),
        lambda inner: st.one_of(
            inner.map(lambda one: f"not ({one})"),
            st.tuples(inner, inner).map(lambda two: f"({two[0]}) and ({two[1]})"),
            st.tuples(inner, inner).map(lambda two: f"({two[0]}) or ({two[1]})"),
        ),
        max_leaves=5,
    )


def policy(matches: Sequence[str], says: Sequence[str] = ("pass",)) -> Policy:
    """The policy whose tiers match so; the outcomes go round."""
    tiers = "".join(f"tier t{at} {{ match {match}; {says[at % len(says)]}; }}\n" for at, match in enumerate(matches))
    loaded = load(Source("generated", f"policy 1;\n{REGISTRIES}{tiers}"), {})
    assert loaded.policy is not None, loaded.diagnostics
    return loaded.policy


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests by chance."""

    random: Random

    def one(self, policy: Policy) -> PolicyRequest:
        """A request that a client can make and that reaches the tiers."""
        choose = self.random.choice
        name = choose(REPOSITORIES)
        path = choose(
            (
                f"/v2/{name}/manifests/{choose(TAGS)}",
                f"/v2/{name}/manifests/{choose(DIGESTS)}",
                f"/v2/{name}/blobs/{choose(DIGESTS)}",
                f"/v2/{name}/referrers/{choose(DIGESTS)}",
                f"/v2/{name}/tags/list",
                "/v2/_catalog",
                f"/v2/{name}/blobs/uploads/",
                choose(OTHERS),
            )
        )
        url = f"https://{choose(HOSTS)}{path}"
        found = rehearse(policy, url, choose(METHODS), choose(CLIENTS), choose(USERS)).request
        assert found is not None
        return found
