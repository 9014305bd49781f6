"""The doctor: each thing that can come of a connection has its sentence, and what to do about it."""

import pytest

from regproxy.model.address import Authority
from regproxy.model.sighting import Deed, Sighting
from regproxy.setup.doctor import as_html, as_text, findings
from regproxy.setup.facts import Facts

FACTS = Facts(Authority("proxy.example", 3128), "pem", "AB:CD")
NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("deed", "detail", "sentence", "fix"),
    [
        ("answered", "200", "quay.io: answered 3 times, 10 s ago, the last time with status 200.", ""),
        ("answered", "502", "the last time with status 502.", "`regproxy upstream test quay.io`"),
        ("intercepted", "", "asked for nothing", "/setup/node"),
        ("tunnelled", "", "the policy does not name it", 'registry NAME { hosts "quay.io"; }'),
        ("refused", "add it to tunnel { ports }", "refused 3 times", "add it to tunnel { ports }"),
        ("failed", "the name does not resolve", "failed 3 times", "the name does not resolve"),
        ("untrusted", "unknown_ca", "does not trust this proxy's CA", "SHA-256 AB:CD"),
        ("broken", "timeout", "gave TLS up (timeout;", "set its clock: here it is 2027-01-15 08:00 UTC"),
    ],
)
def test_a_deed_has_its_sentence_and_its_fix(deed: Deed, detail: str, sentence: str, fix: str) -> None:
    (found,) = findings([Sighting("quay.io", deed, 3, NOW - 10, detail)], FACTS, "10.0.0.9", NOW)
    assert sentence in found.sentence
    assert fix in found.fix
    assert bool(found.fix) == bool(fix)
    assert "@" not in found.sentence + found.fix


def test_a_client_that_was_never_seen_learns_what_keeps_daemons_from_coming() -> None:
    (found,) = findings([], FACTS, "10.0.0.9", NOW)
    assert "10.0.0.9" in found.sentence
    for word in ("HTTPS_PROXY=http://proxy.example:3128", "NO_PROXY", "restarted", "NAT", "HTTP_PROXY"):
        assert word in found.fix


def test_what_is_set_right_is_no_longer_complained_of() -> None:
    before = [Sighting("quay.io", "untrusted", 2, NOW - 60), Sighting("quay.io", "intercepted", 4, NOW - 60)]
    assert [bool(one.fix) for one in findings(before, FACTS, "c", NOW)] == [True]
    after = [Sighting("quay.io", "answered", 1, NOW - 5, "200"), *before]
    assert [bool(one.fix) for one in findings(after, FACTS, "c", NOW)] == [False, False]
    relapsed = [Sighting("quay.io", "untrusted", 3, NOW), *after[:1]]
    assert [bool(one.fix) for one in findings(relapsed, FACTS, "c", NOW)] == [True, False]


def test_what_clients_say_is_shown_and_never_obeyed() -> None:
    found = findings([Sighting("quay.io", "refused", 1, NOW, "<script>@URL@")], FACTS, "<b>", NOW)
    html = as_html(found, FACTS, "<b>")
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;@URL@" in html, "what is filled in is not filled again"
    assert as_text(found, FACTS, "c").splitlines()[2:] == [
        "LOOK  quay.io: refused once, 0 s ago.",
        "      <script>@URL@",
    ]
