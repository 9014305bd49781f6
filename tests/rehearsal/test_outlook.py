"""What would happen now: three questions answered on one screen, and a sentence for each way to be answered."""

import pytest

from regproxy.model.decision import FailureClass
from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.scenario import Circumstances, Gone, Stored, Working
from regproxy.policy.source import Source
from regproxy.rehearsal.explain import explain, render
from regproxy.rehearsal.happening import happen
from regproxy.rehearsal.outlook import Outlook, outlook, render_outlook
from regproxy.rehearsal.reference import rehearse
from regproxy.settings.packaged import known_sources, packaged_source

LINES, COLUMNS = 24, 100
HOUR, DAY = 3600.0, 86400.0
NOTHING = Circumstances()
TEXT = """policy 1;
registry hub { hosts "registry-1.docker.io"; aliases "docker.io"; }
tier banned { match repo like "bitnami/**"; deny 451 "see go/images"; }
tier pinned { match digest like "*"; fresh forever; }
tier bare { match tag is bare; fresh 1h; }
tier gone { match tag is gone; fresh 1h; negative 404 for 10s; stale if-error 7d on [error, 404]; }
tier swr { match tag is swr; fresh 1h; stale while-revalidate 1d; stale if-error forever on [error]; }
tier tags { match kind is manifest; fresh 1h; stale if-error 7d on $outage; revalidate head within 2s; }
tier lists { match kind is blob; fresh 1h; }
tier web { match kind is other and path like "/api/**"; fresh origin; }
"""


def own() -> Policy:
    loaded = load(Source("x.policy", TEXT), {})
    assert loaded.policy is not None
    return loaded.policy


def packaged() -> Policy:
    loaded = load(packaged_source("default"), known_sources())
    assert loaded.policy is not None
    return loaded.policy


def screen(policy: Policy, text: str, given: Circumstances = NOTHING) -> str:
    rehearsed = rehearse(policy, text)
    explanation = explain(policy, rehearsed)
    told = outlook(explanation, happen(policy, rehearsed, given), given)
    return render(explanation) + (render_outlook(told) if told is not None else "")


def told(
    text: str,
    given: Circumstances = NOTHING,
    method: str = "GET",
) -> Outlook:
    policy = own()
    rehearsed = rehearse(policy, text, method)
    found = outlook(explain(policy, rehearsed), happen(policy, rehearsed, given), given)
    assert found is not None
    return found


def test_why_stale_is_answered_on_one_screen() -> None:
    shown = screen(packaged(), "redis:7.2.4", Circumstances(Stored(2 * DAY), 429))
    assert shown.splitlines()[-7:] == [
        "given     stored, validated 2d ago; the registry answers 429",
        "now       stale: the client gets 200",
        "why       stale for 1d23h; the registry answers 429, and `stale if-error` covers that",
        "fresh     no longer: `fresh 1h` ended 1d23h ago",
        "stale     for 5d1h more, when the registry fails with [error, 429, 5xx]",
        "readers   anyone where the repository is public, as is asked every 1h, else whoever's own login read",
        "          the repository in the last 1h, and in an outage 4h longer",
    ]
    fits(shown)


@pytest.mark.parametrize(
    ("block", "tier", "readers", "ping", "token"),
    [
        (
            "",
            "recheck 10m; stale auth 0s;",
            "anyone where the repository is public, as is asked every 10m, else whoever's own login read the "
            "repository in the last 10m",
            401,
            200,
        ),
        (
            "client-auth ours;",
            "",
            "anyone where the repository is public, as is asked every 1h; clients' own logins are ignored",
            200,
            200,
        ),
        (
            "client-auth required;",
            "recheck 2h;",
            "whoever's own login read the repository in the last 2h, and in an outage 4h longer",
            401,
            401,
        ),
        ("client-auth required;", "readers anyone;", "anyone, whoever it was stored for", 401, 401),
    ],
)
def test_who_is_served_what_is_stored_is_said(block: str, tier: str, readers: str, ping: int, token: int) -> None:
    text = f'policy 1;\nregistry quay {{ hosts "quay.io"; {block} }}\ntier t {{ match any; fresh 1h; {tier} }}\n'
    loaded = load(Source("x.policy", text), {})
    assert loaded.policy is not None

    def now(reference: str) -> Outlook:
        assert loaded.policy is not None
        rehearsed = rehearse(loaded.policy, reference)
        found = outlook(explain(loaded.policy, rehearsed), happen(loaded.policy, rehearsed, NOTHING), NOTHING)
        assert found is not None
        return found

    assert now("quay.io/a/b:1").readers == readers
    for path, status in (("", ping), ("_regproxy/token", token)):
        assert now(f"https://quay.io/v2/{path}").answer == f"local: the client gets {status}"


def test_where_the_origin_decides_nothing_is_guessed() -> None:
    shown = screen(own(), "https://registry-1.docker.io/api/x", Circumstances(Stored(2 * DAY), 503))
    assert shown.splitlines()[-3:] == [
        "decision  tier web: fresh origin; revalidate etag",
        "now       the origin decides",
        "why       `fresh origin`: the answer's own fields say whether it is stored, and for how long",
    ]


def test_why_denied_is_answered_on_one_screen() -> None:
    shown = screen(own(), "bitnami/redis:7")
    assert shown == (
        "request   GET https://registry-1.docker.io/v2/bitnami/redis/manifests/7\n"
        "          kind=manifest  registry=hub  repo=bitnami/redis  tag=7\n"
        "connect   intercept as registry-1.docker.io (registry hub)\n"
        '       -> banned  x.policy:3  yes: repo like "bitnami/**"\n'
        "decision  tier banned: deny 451 see go/images\n"
        "given     nothing is stored; the registry works\n"
        "now       denied: the client gets 451\n"
        'why       tier banned denies it: "see go/images"\n'
    )
    fits(shown)


def test_why_not_cached_is_answered_on_one_screen() -> None:
    shown = screen(packaged(), "https://quay.io/v2/_catalog")
    assert shown.splitlines()[-1] == (
        "why       not cached: tier rest says `pass`, so it is passed on and nothing is stored"
    )
    fits(shown)
    elsewhere = screen(packaged(), "harbor.corp.example/team/app:1.2.3")
    assert elsewhere.splitlines()[1:] == [
        "connect   tunnel (allowed by the tunnel rules)",
        "decision  not intercepted, and so not cached: no registry block has harbor.corp.example among its",
        "          `hosts`",
    ]


def fits(shown: str) -> None:
    lines = shown.splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS


@pytest.mark.parametrize(
    ("text", "given", "answer", "why"),
    [
        ("a", NOTHING, "miss: the client gets 200", "nothing is stored, so the registry is asked by GET"),
        ("a", Circumstances(Stored(60)), "hit: the client gets 200", "it is still fresh, so nobody is asked"),
        (
            "a",
            Circumstances(Stored(2 * HOUR)),
            "revalidated: the client gets 200",
            "stale for 1h; asked by HEAD, the registry says that it still holds",
        ),
        (
            "a",
            Circumstances(Stored(2 * HOUR), Working.MOVED),
            "expired: the client gets 200",
            "stale for 1h; asked by HEAD and GET, the registry gives another answer",
        ),
        (
            "a",
            Circumstances(Stored(2 * HOUR), Working.SLOW),
            "stale: the client gets 200",
            "stale for 1h; the registry takes too long (`revalidate … within`), and asking goes on behind",
        ),
        (
            "a:swr",
            Circumstances(Stored(2 * HOUR)),
            "swr: the client gets 200",
            "stale for 1h; the registry is asked meanwhile, by `stale while-revalidate`",
        ),
        ("a:gone", Circumstances(Gone(5)), "negative: the client gets 404", "that it does not exist is remembered"),
        (
            "a:gone",
            Circumstances(Gone(30)),
            "revalidated: the client gets 200",
            "gone for 30s; asked by HEAD, the registry says that it still holds",
        ),
        (
            "a:gone",
            Circumstances(Gone(30), 404),
            "stale: the client gets 200",
            "gone for 30s; the registry answers 404, and `stale if-error` covers that",
        ),
        (
            "a:gone",
            Circumstances(Gone(30), FailureClass.DNS),
            "error: the client gets 502",
            "the registry fails (dns); an outage does not bring back what is gone, so nothing stands in",
        ),
        (
            "a",
            Circumstances(upstream=FailureClass.DNS),
            "error: the client gets 502",
            "the registry fails (dns); nothing is stored that could stand in",
        ),
        (
            "a:bare",
            Circumstances(Stored(2 * HOUR), 503),
            "miss: the client gets 503",
            "the registry answers 503; the tier has no `stale if-error`, so nothing stands in",
        ),
        (
            "a",
            Circumstances(Stored(2 * HOUR), 403),
            "miss: the client gets 403",
            "the registry answers 403; `stale if-error` lists [error, 429, 5xx] and not that, so nothing stands in",
        ),
        (
            "a",
            Circumstances(Stored(9 * DAY), FailureClass.TIMEOUT),
            "error: the client gets 504",
            "the registry fails (timeout); `stale if-error 7d` ended 1d23h ago, so nothing stands in",
        ),
        (
            "https://docker.io/login",
            NOTHING,
            "pass: the client gets 200",
            "not cached: no tier matches it, so it is passed on and nothing is stored",
        ),
        (
            "https://docker.io/login",
            Circumstances(upstream=FailureClass.TLS),
            "error: the client gets 502",
            "it is passed on, and the registry fails (tls)",
        ),
        (
            "https://docker.io/v2/a/b/blobs/blake3:abcd",
            NOTHING,
            "pass: the client gets 200",
            "not cached: answers of this kind are never stored, whatever the tier grants",
        ),
        (
            "https://docker.io/v2/",
            NOTHING,
            "local: the client gets 401",
            "pings and token requests never reach the tiers",
        ),
    ],
)
def test_each_answer_has_its_reason(text: str, given: Circumstances, answer: str, why: str) -> None:
    found = told(text, given)
    assert (found.answer, found.why) == (answer, why)


def test_what_the_registry_took_away_is_not_called_stored() -> None:
    assert told("a:gone", Circumstances(Gone(30))).given == "gone, as the registry said 30s ago; the registry works"


def test_a_push_is_answered_here() -> None:
    assert told("a", method="PUT").answer == "local: the client gets 405"
    assert told("a", method="PUT").why == "it is refused; where its registry says `push allow`, a push is let through"


@pytest.mark.parametrize(
    ("text", "given", "fresh", "stale"),
    [
        (
            "a",
            NOTHING,
            "for 1h; then the registry is asked whether it still holds",
            "for 7d after that, when the registry fails with [error, 429, 5xx]",
        ),
        (
            "a",
            Circumstances(Stored(600)),
            "for 50m; then the registry is asked whether it still holds",
            "for 7d after that, when the registry fails with [error, 429, 5xx]",
        ),
        (
            "a:bare",
            Circumstances(Stored(600)),
            "for 50m; then the registry is asked whether it still holds",
            "never: the tier has no `stale if-error`",
        ),
        (
            "a:swr",
            Circumstances(Stored(7200)),
            "no longer: `fresh 1h` ended 1h ago",
            "for ever, when the registry fails with [error]",
        ),
        ("a@sha256:" + "0" * 64, NOTHING, "for ever, without asking", ""),
        (
            "a",
            Circumstances(Stored(9 * DAY), 429),
            "no longer: `fresh 1h` ended 8d23h ago",
            "no longer: `stale if-error 7d` ended 1d23h ago",
        ),
        ("a", Circumstances(upstream=429), "", ""),
        ("a", Circumstances(Stored(2 * HOUR), 404), "", ""),
        ("bitnami/redis", NOTHING, "", ""),
        ("a:gone", Circumstances(Gone(5)), "", ""),
        ("a:gone", Circumstances(Gone(30), FailureClass.DNS), "", ""),
        (
            "a:gone",
            Circumstances(Gone(30)),
            "for 1h; then the registry is asked whether it still holds",
            "for 7d after that, when the registry fails with [error, 404]",
        ),
    ],
)
def test_how_long_the_answer_will_do(text: str, given: Circumstances, fresh: str, stale: str) -> None:
    found = told(text, given)
    assert (found.fresh, found.stale) == (fresh, stale)
