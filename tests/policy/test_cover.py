"""RP310: what the CA must cover."""

from regproxy.policy.cover import uncovered, unrunnable
from regproxy.policy.diagnostic import render
from regproxy.policy.load import load
from regproxy.policy.source import Source

TEXT = """policy 1;
registry a { hosts "a.example:5000"; aliases "alias.example"; token-hosts "auth.other"; }
registry w { hosts "*.apps.lan" "deep.example"; }
registry h { hosts "http.lan"; scheme http; }
registry o { hosts "off.lan"; intercept off; }
registry i { hosts "10.0.0.5"; }
"""


def test_every_host_that_is_intercepted_over_tls_is_asked_for() -> None:
    loaded = load(Source("test", TEXT), {})
    assert loaded.policy is not None
    found = uncovered(loaded.policy, lambda _: False)
    assert [one.span.text.strip('"*').lstrip(".").removesuffix(":5000") for one in found] == [
        "a.example",
        "alias.example",
        "apps.lan",
        "deep.example",
        "10.0.0.5",
    ]


def test_what_is_not_covered_is_an_error_with_the_ways_out() -> None:
    loaded = load(Source("test.policy", TEXT), {})
    assert loaded.policy is not None
    found = uncovered(loaded.policy, lambda host: host.endswith(".example"))
    assert [(one.code, one.is_error, one.span.line) for one in found] == [("RP310", True, 3), ("RP310", True, 6)]
    assert render(found[0]) == (
        "error[RP310]: the CA does not cover `*.apps.lan`, so registry `w` cannot be intercepted\n"
        " --> test.policy:3:20\n"
        "  |\n"
        '3 | registry w { hosts "*.apps.lan" "deep.example"; }\n'
        "  |                    ^^^^^^^^^^^^\n"
        "  = note: the CA is limited to names; what the policy names is never tunnelled by accident\n"
        "  = help: make a CA that does (`regproxy ca rotate --prepare --ca-permit apps.lan`), "
        "have another CA certify it (`regproxy ca issue --csr '*.apps.lan'`), or write `intercept off;` in the block\n"
    )
    assert "give it a DNS name" in found[1].help


def test_a_helper_that_cannot_be_run_is_an_error_at_the_registry_that_names_it() -> None:
    text = (
        'policy 1;\nregistry a { hosts "a.example"; auth helper { command "docker-credential-x"; } }\n'
        'registry b { hosts "b.example"; auth helper { command "docker-credential-y"; } }\n'
    )
    policy = load(Source("p", text), {}).policy
    assert policy is not None
    found = list(unrunnable(policy, lambda command: "it is gone" if command.endswith("y") else ""))
    assert [(one.code, one.span.line, one.sentence) for one in found] == [("RP306", 3, "registry `b`: it is gone")]
