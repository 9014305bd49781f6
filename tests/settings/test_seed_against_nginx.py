"""The seed's tiers and lifetimes, request by request: real nginx with the seed's locations, and our policy of them."""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from regproxy.model.decision import Cached
from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source
from regproxy.rehearsal.reference import rehearse
from regproxy.settings.nginx import nginx_size, nginx_time
from regproxy.settings.packaged import packaged_source
from regproxy.settings.seed import seed_policy
from regproxy.settings.seed_registries import DEFAULT_REGISTRIES
from tests.lab.nginx import Located, Nginx, refusal
from tests.lab.peers import need
from tests.lab.processes import Processes
from tests.settings.references import targets
from tests.settings.seed_nginx import seed_locations

pytestmark = pytest.mark.real
REFERENCES = 5000
TEXTS = 400
ON = {"ENABLE_MANIFEST_CACHE": "true"}
HOSTS = ("registry-1.docker.io", *DEFAULT_REGISTRIES.split())
Start = Callable[[Mapping[str, str] | str], Nginx]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts nginx with the locations that the seed writes for an environment, or with those given."""
    need("nginx")
    with ExitStack() as running:
        processes = running.enter_context(Processes(tmp_path / "logs"))

        def one(given: Mapping[str, str] | str) -> Nginx:
            locations = given if isinstance(given, str) else seed_locations(given)
            nginx = Nginx(processes, tmp_path / "nginx", locations).start()
            running.callback(nginx.stop)
            return nginx

        yield one


def generated(environ: Mapping[str, str]) -> Policy:
    seed = seed_policy(environ)
    assert seed is not None
    return loaded(Source("environment", seed.text))


def loaded(source: Source) -> Policy:
    found = load(source, {})
    assert found.policy is not None
    assert found.diagnostics == ()
    return found.policy


def decide(policy: Policy, target: str, host: str = HOSTS[0]) -> Located:
    """Our decision in nginx's terms."""
    request = rehearse(policy, f"https://{host}{target}").request
    assert request is not None, target
    decision = policy.on_request(request)
    return Located(200, decision.tier, decision.terms.lifetime if isinstance(decision, Cached) else None)


def differences(nginx: Nginx, policies: list[Policy], chance: random.Random, count: int) -> tuple[list[str], set[str]]:
    """The references on which nginx and a policy differ, and the tiers that nginx chose."""
    wrong, seen = [], set()
    for target in targets(chance, count):
        located = nginx.get(target)
        seen.add(located.text)
        host = chance.choice(HOSTS)
        wrong += [
            f"{host}{target}: nginx {located}, ours {ours}"
            for policy in policies
            if (ours := decide(policy, target, host)) != located
        ]
    return wrong, seen


ALWAYS = {"blob-by-digest", "manifest-by-digest", "blob-mutable", "unknown"}
TIERED = ALWAYS | {"manifest-primary", "manifest-secondary", "manifest-default"}


def test_the_packaged_policy_and_the_generated_one_decide_as_nginx_does(start: Start, soak: float, seed: int) -> None:
    policies = [loaded(packaged_source("seed")), generated(ON)]
    wrong, seen = differences(start(ON), policies, random.Random(seed), math.ceil(REFERENCES * soak))
    assert wrong == []
    assert seen == TIERED


def regexes(primary: str, secondary: str, **more: str) -> Mapping[str, str]:
    return {**ON, "MANIFEST_CACHE_PRIMARY_REGEX": primary, "MANIFEST_CACHE_SECONDARY_REGEX": secondary, **more}


@pytest.mark.parametrize(
    ("environ", "tiers"),
    [
        ({"ENABLE_MANIFEST_CACHE": "false"}, ALWAYS | {"manifest-default-disabled"}),
        ({"REGISTRIES": DEFAULT_REGISTRIES}, ALWAYS | {"manifest-default-disabled"}),
        (regexes("", r"(.*)(\d|\.)+"), TIERED - {"manifest-primary"}),
        (regexes("(main|master)", ""), TIERED - {"manifest-secondary"}),
        (regexes("", ""), TIERED - {"manifest-primary", "manifest-secondary"}),
        (regexes("(latest|stable)", r"v?\d+\.\d+"), TIERED),
        (regexes("[a-m].*-", r"v?\d+\.\d+$"), TIERED),
        (regexes("sta(?:ble|ge)", "(?i:rc)"), TIERED),
        (regexes("(?i)LATEST", ".*[-_.]"), TIERED),
        (regexes(r"v?\d+[.]\d+[.]\d+$", "sha256-[a-f0-9]+"), TIERED),
        (regexes(r"\w+?-\w+?$", "[[:upper:]]+"), TIERED),
        (regexes(r".*\bstable\b", r"\b[^0-9]*$"), TIERED),
        (regexes("(a|b|[^c-z])+$", "it's"), TIERED - {"manifest-secondary"}),
        (regexes("sha512:", ".*:"), TIERED),
        # nginx's configuration knows escapes of its own: a doubled backslash is one.
        (regexes(r"v\\d", r"[\\w]+\\.\\d"), TIERED),
        (
            {
                **ON,
                "MANIFEST_CACHE_PRIMARY_TIME": "1h30m",
                "MANIFEST_CACHE_SECONDARY_TIME": "1y2M1w3d4h5m6s",
                "CACHE_INACTIVE": "2y",
                "MANIFEST_CACHE_DEFAULT_TIME": "90",
            },
            TIERED,
        ),
    ],
    ids=lambda given: " ".join(f"{name}={value}" for name, value in given.items()) if isinstance(given, dict) else "",
)
def test_whatever_the_variables_say_nginx_and_the_policy_agree(
    environ: Mapping[str, str], tiers: set[str], start: Start, soak: float, seed: int
) -> None:
    nginx = start(environ)
    wrong, seen = differences(nginx, [generated(environ)], random.Random(seed), math.ceil(REFERENCES * soak))
    assert wrong == []
    assert seen == tiers


@pytest.mark.parametrize(
    ("environ", "target", "theirs", "ours"),
    [
        # nginx splits the whole location at a top-level alternation; ours is a choice between tags.
        (regexes("latest|stable", ""), "/v2/stable/tool/tags/list", "manifest-primary", "unknown"),
        (regexes("latest|stable", ""), "/v2/a/manifests/unstable", "manifest-primary", "manifest-default"),
        (regexes("latest|stable", ""), "/v2/a/manifests/stable-1", "manifest-primary", "manifest-primary"),
        (regexes("^latest$", ""), "/v2/a/manifests/latest", "manifest-default", "manifest-primary"),
        # Its `(.*)` takes in slashes, so a repository can look like a tag.
        (ON, "/v2/a/manifests/stable/manifests/edge", "manifest-primary", "manifest-default"),
        (ON, "/v2/a/blobs/b/tags/list", "blob-mutable", "unknown"),
        # An upload is no blob that could be stored.
        (ON, "/v2/a/blobs/uploads/5", "blob-mutable", "unknown"),
    ],
)
def test_where_the_policy_differs_from_nginx_it_is_meant_to(
    environ: Mapping[str, str], target: str, theirs: str, ours: str, start: Start
) -> None:
    assert (start(environ).get(target).text, decide(generated(environ), target).text) == (theirs, ours)


@pytest.mark.parametrize("regex", ["v(?=1)", "(?!rc)v", "(a)\\1", "(?>a)b"])
def test_what_only_nginx_takes_is_refused_by_name(regex: str, start: Start) -> None:
    start(regexes(regex, ""))
    with pytest.raises(ValueError, match=r"^MANIFEST_CACHE_PRIMARY_REGEX, column"):
        seed_policy(regexes(regex, ""))


def spelled(chance: random.Random, units: str) -> str:
    """Up to three numbers with a unit or none, such as people write, and many that they should not."""
    parts = [
        f"{chance.choice(('0', '1', '7', '90', '007'))}{chance.choice((*units, ' '))}{chance.choice((' ', ''))}"
        for _ in range(chance.choice((1, 1, 2, 3)))
    ]
    return "".join(parts).strip()


def test_times_are_read_as_nginx_reads_them(start: Start, tmp_path: Path, soak: float, seed: int) -> None:
    chance = random.Random(seed)
    texts = {spelled(chance, "yMwdhmsx") for _ in range(math.ceil(TEXTS * soak))}
    taken = sorted(text for text in texts if not refusal(tmp_path / "try", f'location / {{ expires "{text}"; }}'))
    nginx = start(" ".join(f'location = /{at} {{ expires "{text}"; return 200 x; }}' for at, text in enumerate(taken)))
    assert 0 < len(taken) < len(texts)
    for at, text in enumerate(taken):
        assert (text, nginx_time(text)) == (text, nginx.get(f"/{at}").lifetime)
    for text in texts - set(taken):
        with pytest.raises(ValueError, match="is no time"):
            nginx_time(text)


def test_sizes_are_taken_and_refused_as_nginx_does(tmp_path: Path, soak: float, seed: int) -> None:
    need("nginx")
    chance = random.Random(seed)
    texts = {spelled(chance, "kKmMgGtB") for _ in range(math.ceil(TEXTS * soak))}
    taken = {text for text in texts if not refusal(tmp_path / "try", f'client_max_body_size "{text}";')}
    assert 0 < len(taken) < len(texts)
    for text in taken:
        nginx_size(text)
    for text in texts - taken:
        with pytest.raises(ValueError, match="is no size"):
            nginx_size(text)
