"""The seed's settings, one by one: what each means here. A row's id is the promise to whoever migrates."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from regproxy.app.pages import Pages
from regproxy.model.address import parse_authority
from regproxy.model.connect import Refuse, Tunnel
from regproxy.model.decision import Cached, FailureClass
from regproxy.model.event import Outcome
from regproxy.policy.diagnostic import Severity
from regproxy.policy.policy import Policy
from regproxy.proxy.edge import Visit
from regproxy.settings.choose import choose_policy
from regproxy.settings.directories import default_ca_directory, default_cache_directory
from regproxy.settings.seed_logins import PLACEHOLDER
from regproxy.settings.seed_upstream import verifies
from regproxy.settings.serve import DEFAULT_LISTEN, default_ipv6
from tests.wire.joined import Script

ON = {"ENABLE_MANIFEST_CACHE": "true"}
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
GIB = 1024**3


@dataclass(frozen=True)
class Meaning:
    """What an environment came to: a policy with warnings, each by the variable that it names."""

    policy: Policy
    warned: tuple[str, ...]

    @property
    def registries(self) -> list[str]:
        return [str(host) for block in self.policy.registries for host in block.hosts]

    @property
    def lifetimes(self) -> Mapping[str, float]:
        tiers = [tier.decision for tier in self.policy.tiers]
        return {tier.tier: tier.terms.lifetime for tier in tiers if isinstance(tier, Cached)}

    @property
    def limits(self) -> tuple[int, float]:
        return self.policy.cache.size, self.policy.cache.inactive


def meaning(environ: Mapping[str, str]) -> Meaning:
    chosen = choose_policy(None, environ)
    assert chosen.loaded.policy is not None
    # Lifetimes longer than CACHE_INACTIVE are worth a note, no more: the seed had them too.
    findings = {one.code for one in chosen.loaded.diagnostics if one.severity is not Severity.NOTE}
    assert findings == (set() if verifies(environ) else {"RP307"})
    return Meaning(chosen.loaded.policy, tuple(warning.split()[0] for warning in chosen.warnings))


HUB = "registry-1.docker.io"
IMAGE_DEFAULT = [HUB, "registry.k8s.io", "gcr.io", "quay.io", "ghcr.io"]


@pytest.mark.parametrize(
    ("environ", "registries"),
    [
        pytest.param({"REGISTRIES": "quay.io a.example"}, [HUB, "quay.io", "a.example"], id="one registry each"),
        pytest.param({"REGISTRIES": "quay.io"}, [HUB, "quay.io"], id="Docker Hub always"),
        pytest.param(ON, IMAGE_DEFAULT, id="unset but seed mode on: the image's default"),
        pytest.param({"REGISTRIES": f"quay.io quay.io {HUB}"}, [HUB, "quay.io"], id="duplicates are tolerated"),
        pytest.param({"REGISTRIES": " quay.io\n\tgcr.io "}, [HUB, "quay.io", "gcr.io"], id="any white space between"),
    ],
)
def test_registries(environ: Mapping[str, str], registries: list[str]) -> None:
    assert meaning(environ).registries == registries


@pytest.mark.parametrize(
    ("environ", "allowed"),
    [
        pytest.param({"REGISTRIES": "quay.io", "ALLOW_PUSH": "true"}, True, id="to every registry"),
        pytest.param({"ALLOW_PUSH": "true"}, True, id="to those of the default policy, too"),
        pytest.param({"REGISTRIES": "quay.io", "ALLOW_PUSH": "yes"}, False, id="only true means it"),
        pytest.param({"REGISTRIES": "quay.io"}, False, id="not by itself"),
        pytest.param({}, False, id="not without a word"),
    ],
)
def test_pushes(environ: Mapping[str, str], allowed: bool) -> None:
    policy = choose_policy(None, environ).loaded.policy
    assert policy is not None
    assert {registry.push for registry in policy.registries} == {allowed}


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        pytest.param({"AUTH_REGISTRIES": "a.b:user"}, "AUTH_REGISTRIES", id="an entry without a password"),
        pytest.param({**ON, "CACHE_MAX_SIZE": "32 g"}, "CACHE_MAX_SIZE", id="a size that nginx refuses"),
        pytest.param({**ON, "CACHE_INACTIVE": "1h 1d"}, "CACHE_INACTIVE", id="a time that nginx refuses"),
        pytest.param(
            {**ON, "MANIFEST_CACHE_PRIMARY_REGEX": "(?=v)"}, "MANIFEST_CACHE_PRIMARY_REGEX, column 1", id="a look-ahead"
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(environ: Mapping[str, str], variable: str) -> None:
    with pytest.raises(ValueError, match=f"^{variable}\\b"):
        choose_policy(None, environ)


@pytest.mark.parametrize(
    ("environ", "limits"),
    [
        pytest.param(ON, (32 * GIB, 60 * DAY), id="32g and 60d where not set"),
        pytest.param({**ON, "CACHE_MAX_SIZE": "5g"}, (5 * GIB, 60 * DAY), id="g is 1024 to the third"),
        pytest.param({**ON, "CACHE_MAX_SIZE": "512M"}, (512 * 1024**2, 60 * DAY), id="capital units too"),
        pytest.param({**ON, "CACHE_MAX_SIZE": "1000000"}, (1_000_000, 60 * DAY), id="no unit: bytes"),
        pytest.param({**ON, "CACHE_INACTIVE": "2w"}, (32 * GIB, 14 * DAY), id="weeks"),
        pytest.param(
            {"CACHE_MAX_SIZE": "5g", "CACHE_INACTIVE": "1y"}, (5 * GIB, 365 * DAY), id="over the default policy"
        ),
    ],
)
def test_cache_max_size_and_cache_inactive(environ: Mapping[str, str], limits: tuple[int, float]) -> None:
    assert meaning(environ).limits == limits


def test_ten_percent_of_the_disk_stay_free_which_the_seed_did_not_have() -> None:
    assert meaning(ON).policy.cache.min_free_share == 0.1


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        pytest.param("10m", 10 * MINUTE, id="m: minutes"),
        pytest.param("1M", 30 * DAY, id="M: 30 days"),
        pytest.param("1y", 365 * DAY, id="y"),
        pytest.param("1w", 7 * DAY, id="w"),
        pytest.param("1h30m", 90 * MINUTE, id="joined"),
        pytest.param("1h 30m", 90 * MINUTE, id="apart"),
        pytest.param("90", 90.0, id="bare: seconds"),
        pytest.param("0", 0.0, id="zero: ask each time, stored all the same"),
    ],
)
def test_nginx_times(time: str, seconds: float) -> None:
    assert meaning({**ON, "MANIFEST_CACHE_DEFAULT_TIME": time}).lifetimes["manifest-default"] == seconds


@pytest.mark.parametrize(
    ("environ", "warned"),
    [
        pytest.param({"ENABLE_MANIFEST_CACHE": "false"}, (), id="false"),
        pytest.param({"REGISTRIES": "quay.io"}, (), id="not set"),
        pytest.param(
            {"ENABLE_MANIFEST_CACHE": "True"}, ("ENABLE_MANIFEST_CACHE",), id="True: off as in the seed, said"
        ),
        pytest.param({"ENABLE_MANIFEST_CACHE": "1"}, ("ENABLE_MANIFEST_CACHE",), id="1: off as in the seed, said"),
    ],
)
def test_enable_manifest_cache_is_exactly_true_or_off(environ: Mapping[str, str], warned: tuple[str, ...]) -> None:
    found = meaning(environ)
    assert found.warned == warned
    assert [name for name in found.lifetimes if name.startswith("manifest-") and "digest" not in name] == [
        "manifest-default-disabled"
    ]
    (disabled,) = [tier.decision for tier in found.policy.tiers if tier.name == "manifest-default-disabled"]
    assert isinstance(disabled, Cached)
    outage = disabled.terms.stale_if_error
    assert outage is not None
    assert (disabled.terms.fresh, outage.duration) == (0.0, float("inf"))
    assert (outage.on.classes, outage.on.statuses) == (frozenset(FailureClass), frozenset({429, 500, 502, 504}))


PRIMARY, SECONDARY, DEFAULT = "manifest-primary", "manifest-secondary", "manifest-default"


@pytest.mark.parametrize(
    ("environ", "lifetimes"),
    [
        pytest.param({}, {PRIMARY: 600.0, SECONDARY: 60 * DAY, DEFAULT: HOUR}, id="10m, 60d and 1h where not set"),
        pytest.param(
            {"MANIFEST_CACHE_PRIMARY_REGEX": ""}, {SECONDARY: 60 * DAY, DEFAULT: HOUR}, id="empty: no primary"
        ),
        pytest.param({"MANIFEST_CACHE_SECONDARY_REGEX": ""}, {PRIMARY: 600.0, DEFAULT: HOUR}, id="empty: no secondary"),
        pytest.param(
            {"MANIFEST_CACHE_PRIMARY_TIME": "1m", "MANIFEST_CACHE_SECONDARY_TIME": "1d"},
            {PRIMARY: 60.0, SECONDARY: DAY, DEFAULT: HOUR},
            id="times of their own",
        ),
    ],
)
def test_manifest_cache_tiers(environ: Mapping[str, str], lifetimes: Mapping[str, float]) -> None:
    found = meaning({**ON, **environ}).lifetimes
    assert list(found) == ["blob-by-digest", "manifest-by-digest", *lifetimes, "blob-mutable"]
    assert {name: found[name] for name in lifetimes} == lifetimes


@pytest.mark.parametrize(
    ("environ", "warned"),
    [
        pytest.param(
            {"MANIFEST_CACHE_PRIMARY_REGEX": "latest|stable"}, 1, id="an alternation at the top is grouped, said"
        ),
        pytest.param({"MANIFEST_CACHE_PRIMARY_REGEX": "^latest$"}, 1, id="a ^ that never matched matches, said"),
        pytest.param({"MANIFEST_CACHE_PRIMARY_REGEX": "(latest|stable)"}, 0, id="what means the same is not mentioned"),
        pytest.param({"ALLOW_PUSH": "false"}, 0, id="ALLOW_PUSH false"),
        pytest.param({"PROXY_REQUEST_BUFFERING": "false"}, 0, id="PROXY_REQUEST_BUFFERING: always streams"),
        pytest.param({"VERIFY_SSL": "true"}, 0, id="VERIFY_SSL true: always verified"),
        pytest.param({"VERIFY_SSL": "false"}, 1, id="VERIFY_SSL false: off, and said"),
        pytest.param({"PROXY_CONNECT_TIMEOUT": "60s"}, 0, id="PROXY_CONNECT_TIMEOUT"),
        pytest.param({"PROXY_READ_TIMEOUT": "900s"}, 0, id="PROXY_READ_TIMEOUT"),
        pytest.param({"PROXY_CONNECT_CONNECT_TIMEOUT": "60s"}, 0, id="PROXY_CONNECT_CONNECT_TIMEOUT"),
        pytest.param({"PROXY_CONNECT_READ_TIMEOUT": "60s"}, 0, id="PROXY_CONNECT_READ_TIMEOUT"),
        pytest.param({"DISABLE_IPV6": "true"}, 0, id="DISABLE_IPV6"),
        *(
            pytest.param({name: "5s"}, 1, id=f"{name}: not yet, named")
            for name in (
                *("SEND_TIMEOUT CLIENT_BODY_TIMEOUT CLIENT_HEADER_TIMEOUT KEEPALIVE_TIMEOUT".split()),
                *("PROXY_SEND_TIMEOUT PROXY_CONNECT_SEND_TIMEOUT".split()),
            )
        ),
        *(
            pytest.param({name: "true"}, 1, id=f"{name}: not yet, named")
            for name in ("DEBUG", "DEBUG_HUB", "DEBUG_NGINX")
        ),
        pytest.param({"AUTH_REGISTRIES": PLACEHOLDER}, 0, id="AUTH_REGISTRIES: the image's sample value is nothing"),
    ],
)
def test_the_rest_is_accepted_and_what_has_no_effect_is_named_at_start(environ: Mapping[str, str], warned: int) -> None:
    assert meaning({**ON, **environ}).warned == tuple(environ)[:warned]


def test_the_volumes_are_the_seeds_and_so_are_the_variables_of_its_ca(tmp_path: Path) -> None:
    for volume in ("docker_mirror_cache", "ca"):
        (tmp_path / volume).mkdir()
    assert default_cache_directory({}, tmp_path) == tmp_path / "docker_mirror_cache"
    assert default_ca_directory({}, tmp_path) == tmp_path / "ca"
    environ = {"CA_CRT_FILE": "/pki/ca.crt", "CA_KEY_FILE": "/pki/ca.key", "CA_SRL_FILE": "/pki/ca.srl"}
    assert default_ca_directory(environ, tmp_path) == Path("/pki")


def test_it_listens_on_3128_of_both_address_families() -> None:
    assert DEFAULT_LISTEN == ("[::]:3128",)


def test_the_probe_finds_its_words_and_ca_crt_is_served() -> None:
    pages = Pages(lambda: b"certificate", lambda: "ab:cd", lambda: "", Script().sightings)
    probe, certificate = (
        asyncio.run(pages.page(Visit(path, "10.0.0.1", "proxy.example:3128", browser=False)))
        for path in ("/", "/ca.crt")
    )
    assert probe is not None
    assert certificate is not None
    assert b"docker-registry-proxy: The docker caching proxy is working!" in probe.body
    assert certificate.body == b"certificate"


def test_every_outcome_has_a_word_of_nginx_for_the_header_that_people_script_against() -> None:
    words = {"HIT", "REVALIDATED", "STALE", "UPDATING", "MISS", "EXPIRED", "BYPASS"}
    assert {outcome.seed for outcome in Outcome} == words


@pytest.mark.parametrize(
    ("authority", "decision"),
    [
        pytest.param("github.com:443", Tunnel, id="whatever is no registry is tunnelled"),
        pytest.param("git.lan:22", Tunnel, id="to any port"),
        pytest.param("10.1.2.3:8443", Tunnel, id="to private addresses"),
        pytest.param("169.254.169.254:80", Refuse, id="metadata addresses are closed"),
    ],
)
def test_the_tunnel(authority: str, decision: type) -> None:
    assert isinstance(meaning(ON).policy.on_connect(parse_authority(authority), "192.0.2.1"), decision)


@pytest.mark.parametrize(
    ("environ", "times"),
    [
        pytest.param(ON, (5.0, 600.0), id="5s and 10m where not set"),
        pytest.param({**ON, "PROXY_CONNECT_CONNECT_TIMEOUT": "1m"}, (60.0, 600.0), id="until the other end answers"),
        pytest.param({**ON, "PROXY_CONNECT_READ_TIMEOUT": "2h"}, (5.0, 3600.0), id="while nothing moves, 1h at most"),
        pytest.param(
            {"PROXY_CONNECT_CONNECT_TIMEOUT": "10", "PROXY_CONNECT_READ_TIMEOUT": "60"},
            (10.0, 60.0),
            id="over the default policy, too",
        ),
    ],
)
def test_time_outs_of_tunnels(environ: Mapping[str, str], times: tuple[float, float]) -> None:
    tunnel = meaning(environ).policy.on_connect(parse_authority("github.com:443"), "192.0.2.1")
    assert isinstance(tunnel, Tunnel)
    assert (tunnel.connect, tunnel.idle) == times


@pytest.mark.parametrize(
    ("environ", "dialled"), [({}, True), ({"DISABLE_IPV6": "false"}, True), ({"DISABLE_IPV6": "true"}, False)]
)
def test_disable_ipv6(environ: Mapping[str, str], dialled: bool) -> None:
    assert default_ipv6(environ) is dialled
