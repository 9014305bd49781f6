"""The compiled policy against a naive interpreter of the syntax tree, on generated policies and requests."""

import re
from ipaddress import ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from regproxy.model.decision import PolicyRequest
from regproxy.policy.load import load
from regproxy.policy.parse import parse
from regproxy.policy.source import Source
from regproxy.policy.syntax import (
    Always,
    Block,
    Comparison,
    Conjunction,
    Disjunction,
    Expression,
    Match,
    Negation,
    Text,
    Word,
)

TAGS = ("latest", "v1.2.3", "1.2", "stable", "main-2", "a")
REPOSITORIES = ("library/redis", "team-a/x/y", "solo")
HOSTS = ("hub.example", "a.lan.example", "lan.example")
PORTS = (443, 5000)
KINDS = ("manifest", "blob", "tags")
METHODS = ("GET", "HEAD", "PUT")
CLIENTS = ("10.0.0.7", "10.1.0.1", "::ffff:10.0.0.7", "2001:db8::1", "")
NETWORKS = ("10.0.0.0/24", "10.0.0.0/8", "10.0.0.7", "2001:db8::/32")
PATHS = ("/v2/a/b/manifests/1", "/git/x", "/")
GLOBS = ("*", "**", "v*", "?", "library/*", "*/x/*", "*.example", "**.example", "{latest,main-?}", "1.*")
HOST_GLOBS = ("*.example", "**.example", "a.**", "hub.?xample", "*.lan.example:5000", "**")
REGEXES = (r"v?\d+(\.\d+)*", "lat.*", "l|s.*", ".*", r"[a-z]+\.example", "team-a/.*")
DIGEST = "sha256:" + "0" * 64


def quoted(values: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(values).map(lambda value: f"'{value}'")


def comparisons() -> st.SearchStrategy[str]:
    text = st.sampled_from(["tag", "ref", "repo"])
    literal = st.tuples(text, st.sampled_from(["is", "is not", "in", "not in"]), quoted((*TAGS, *REPOSITORIES)))
    glob = st.tuples(text, st.sampled_from(["like", "not like"]), quoted(GLOBS))
    regex = st.tuples(text, st.sampled_from(["matches", "finds", "not matches"]), quoted(REGEXES))
    kind = st.tuples(st.just("kind"), st.sampled_from(["is", "is not", "in"]), st.sampled_from(KINDS))
    host = st.tuples(
        st.just("host"), st.sampled_from(["is", "is not"]), quoted((*HOSTS, *(f"{h}:5000" for h in HOSTS)))
    )
    host_glob = st.tuples(st.just("host"), st.sampled_from(["like", "not like"]), quoted(HOST_GLOBS))
    path = st.tuples(st.just("path"), st.sampled_from(["like", "not like"]), quoted(("/v2/**", "/*", "/git/?", "**")))
    several = st.tuples(st.just("tag"), st.sampled_from(["in", "like"]), quoted(TAGS), quoted(TAGS), quoted(TAGS))
    method = st.tuples(st.just("method"), st.sampled_from(["is", "in", "not in"]), st.sampled_from(METHODS))
    client = st.tuples(st.just("client"), st.sampled_from(["is", "is not"]), quoted(NETWORKS))
    registry = st.tuples(st.just("registry"), st.sampled_from(["is", "is not"]), st.just("r"))
    rows = st.one_of(literal, glob, regex, kind, host, host_glob, path, several, method, client, registry)
    return rows.map(" ".join) | st.just("any")


def expressions() -> st.SearchStrategy[str]:
    return st.recursive(
        comparisons(),
        lambda inner: st.one_of(
            inner.map(lambda one: f"not ({one})"),
            st.tuples(inner, inner).map(lambda two: f"({two[0]}) and {two[1]}"),
            st.tuples(inner, inner).map(lambda two: f"{two[0]} or ({two[1]})"),
        ),
        max_leaves=6,
    )


def requests() -> st.SearchStrategy[PolicyRequest]:
    reference = st.sampled_from(TAGS).map(lambda tag: (tag, "")) | st.sampled_from([("", DIGEST), ("", "")])
    return st.builds(
        lambda host, port, kind, repository, ref, method, path, client, registry: PolicyRequest(
            method, f"{host}:{port}", registry, kind, path, repository, ref[0], ref[1], client
        ),
        st.sampled_from(HOSTS),
        st.sampled_from(PORTS),
        st.sampled_from(KINDS),
        st.sampled_from(REPOSITORIES),
        reference,
        st.sampled_from(METHODS),
        st.sampled_from(PATHS),
        st.sampled_from(CLIENTS),
        st.sampled_from(["r", "other"]),
    )


def naive_glob(glob: str, value: str) -> bool:
    """Matching by trying every split, character by character."""
    if glob.startswith("**"):
        return any(naive_glob(glob[2:], value[at:]) for at in range(len(value) + 1))
    if glob.startswith("*"):
        ends = (at for at in range(len(value) + 1) if "/" not in value[:at])
        return any(naive_glob(glob[1:], value[at:]) for at in ends)
    if glob.startswith("{"):
        choices, rest = glob[1:].split("}", 1)
        return any(naive_glob(choice + rest, value) for choice in choices.split(","))
    if glob.startswith("?"):
        return value[:1] not in ("", "/") and naive_glob(glob[1:], value[1:])
    return glob == value if not glob or not value else glob[0] == value[0] and naive_glob(glob[1:], value[1:])


def naive(expression: Expression, request: PolicyRequest) -> bool:
    match expression:
        case Always():
            return True
        case Negation(inner):
            return not naive(inner, request)
        case Conjunction(parts):
            return all(naive(part, request) for part in parts)
        case Disjunction(parts):
            return any(naive(part, request) for part in parts)
        case Comparison():
            return naive_test(expression, request) != expression.negated


def naive_test(test: Comparison, request: PolicyRequest) -> bool:
    texts = [operand.text for operand in test.operands if isinstance(operand, Text | Word)]
    if test.attribute.text == "client":
        return any(naive_client(text, request.client) for text in texts)
    if test.attribute.text == "host":
        return any(naive_host(test.operator, text, request.authority) for text in texts)
    values = {
        "kind": request.kind,
        "path": request.path,
        "method": request.method,
        "registry": request.registry,
        "repo": request.repository,
        "tag": request.tag,
        "ref": request.tag or request.digest,
    }
    value = values[test.attribute.text]
    if not value:
        return False
    match test.operator:
        case "like":
            return any(naive_glob(text, value) for text in texts)
        case "matches":
            return any(re.fullmatch(text, value) for text in texts)
        case "finds":
            return any(re.search(text, value) for text in texts)
        case _:
            return value in texts


def naive_client(network: str, client: str) -> bool:
    return bool(client) and ip_address(client.removeprefix("::ffff:")) in ip_network(network)


def naive_host(operator: str, wanted: str, authority: str) -> bool:
    host, port = authority.split(":")
    name, _, wanted_port = wanted.partition(":")
    if wanted_port not in ("", port):
        return False
    if operator != "like":
        return name == host
    # In hosts a star is a label: what `/` is to a path.
    stars = name.split(".")
    if any(star == "*" for star in stars):
        labels = host.split(".")
        return len(stars) == len(labels) and all(
            star in ("*", label) for star, label in zip(stars, labels, strict=True)
        )
    return naive_glob(name.replace(".", "/"), host.replace(".", "/"))


@given(st.lists(expressions(), min_size=1, max_size=12), st.lists(requests(), min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_the_compiled_policy_decides_as_the_naive_interpreter(matches: list[str], asked: list[PolicyRequest]) -> None:
    text = 'policy 1; registry r { hosts "r.example"; }' + "".join(
        f" tier t{at} {{ match {match}; pass; }}" for at, match in enumerate(matches)
    )
    loaded = load(Source("generated", text), {})
    assert loaded.policy is not None, loaded.diagnostics
    tiers = [
        (str(block.arguments[0].span.text), item.expression)
        for block in parse(Source("generated", text)).items
        if isinstance(block, Block) and block.name.text == "tier"
        for item in block.items
        if isinstance(item, Match)
    ]
    for request in (*asked, *asked):
        expected = next((name for name, expression in tiers if naive(expression, request)), "unmatched")
        assert loaded.policy.on_request(request).tier == expected
