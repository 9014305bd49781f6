"""AUTH_REGISTRIES: whom each credential proves, to whom it goes, and that no text shows it."""

from collections.abc import Mapping

import pytest

from regproxy.model.account import Lent
from regproxy.model.address import parse_authority
from regproxy.model.login import Password
from regproxy.settings.choose import choose_policy
from regproxy.settings.seed import seed_policy

CANARY = "c:a*n:a'r\"y"
KEY = '{\n  "type": "service_account",\n  "private_key": "-----BEGIN \\n :: --"\n}'
HUB = "registry-1.docker.io"


def lent(environ: Mapping[str, str]) -> dict[str, tuple[str, str, str]]:
    """User, password and the only host that may see it, for each registry that has a credential for a stranger."""
    policy = choose_policy(None, environ).loaded.policy
    assert policy is not None
    found = {}
    for registry in policy.registries:
        host = str(registry.hosts[0])
        authority = parse_authority(host.replace("*", "any"), 443)
        account = policy.account(registry, authority, "team/app", "8.8.8.8")
        if isinstance(account, Lent):
            login, only = account.credential.login, account.credential.present_to
            assert isinstance(login, Password)
            found[host] = (login.user, login.password, only.name if only else "")
    return found


@pytest.mark.parametrize(
    ("registries", "logins", "found"),
    [
        pytest.param("quay.io ghcr.io", f"quay.io:me:{CANARY}", {"quay.io": ("me", CANARY, "")}, id="a registry"),
        pytest.param("quay.io", f"auth.docker.io:me:{CANARY}", {HUB: ("me", CANARY, "")}, id="Docker Hub's tokens"),
        pytest.param("quay.io", "docker.io:me:p", {HUB: ("me", "p", "")}, id="Docker Hub by name"),
        pytest.param(
            "reg.corp.example:5050 git.corp.example quay.io",
            "git.corp.example:me:p",
            {"reg.corp.example:5050": ("me", "p", "git.corp.example"), "git.corp.example": ("me", "p", "")},
            id="GitLab: a sibling, and to it only",
        ),
        pytest.param(
            "registry.gitlab.com",
            "gitlab.com:me:p",
            {"registry.gitlab.com": ("me", "p", "gitlab.com")},
            id="a registry below it",
        ),
        pytest.param(
            "*.azurecr.io",
            "a.azurecr.io:me:p",
            {"*.azurecr.io": ("me", "p", "a.azurecr.io")},
            id="one of many by a wildcard, and to it only",
        ),
        pytest.param(
            "a.azurecr.io b.azurecr.io",
            "a.azurecr.io:a:1 b.azurecr.io:b:2",
            {"a.azurecr.io": ("a", "1", ""), "b.azurecr.io": ("b", "2", "")},
            id="siblings with one each",
        ),
        pytest.param("harbor.lan:5000", "harbor.lan:5000:me:p:q", {"harbor.lan:5000": ("me", "p:q", "")}, id="a port"),
        pytest.param("[2001:db8::1]:5000", "[2001:db8::1]:5000:me:p", {"[2001:db8::1]:5000": ("me", "p", "")}, id="v6"),
        pytest.param("quay.io", " quay.io:me:p\n\t\n ghcr.io:x:y ", {"quay.io": ("me", "p", "")}, id="white space"),
        pytest.param("quay.io", "'quay.io:me:p'", {"quay.io": ("me", "p", "")}, id="the quotes of an env file"),
        pytest.param("quay.io ghcr.io", "example.com:me:p", {}, id="of no registry"),
        pytest.param("a.lan.example", "b.lan.example:x:1 c.lan.example:y:2", {}, id="two that could be meant: none is"),
        pytest.param("foo.example bar.example", "foo.example:x:1", {"foo.example": ("x", "1", "")}, id="no siblings"),
    ],
)
def test_a_credential_is_lent_to_everyone_for_the_registry_that_it_names(
    registries: str, logins: str, found: Mapping[str, tuple[str, str, str]]
) -> None:
    expected = {host if ":" in host else f"{host}:443": one for host, one in found.items()}
    assert lent({"REGISTRIES": registries, "AUTH_REGISTRIES": logins}) in (found, expected)


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_the_delimiters_are_the_seeds_and_a_key_of_many_lines_is_a_password(quote: str) -> None:
    environ = {
        "REGISTRIES": "gcr.io quay.io",
        "AUTH_REGISTRIES": f"gcr.io:::_json_key:::{KEY};;;\nquay.io:::me:::two  words ;;;",
        "AUTH_REGISTRIES_DELIMITER": f"{quote};;;{quote}",
        "AUTH_REGISTRY_DELIMITER": f"{quote}:::{quote}",
    }
    assert list(lent(environ).values()) == [("_json_key", KEY, ""), ("me", "two  words", "")]


@pytest.mark.parametrize(
    ("logins", "said"),
    [
        ("quay.io:me", "entry 1 is no `host:user:password`"),
        ("quay.io:me:p quay.io::p", "entry 2 is no `host:user:password`"),
        ("quay.io:me:p b_c!:me:hunter2", "entry 2 begins with no host"),
        ("quay.io:me:hunter2 quay.io:me:other", "two credentials for quay.io"),
        (" ".join(f"h{number}.example:u:p" for number in range(201)), "more than 200 entries"),
    ],
)
def test_what_is_no_credential_is_refused_and_not_shown(logins: str, said: str) -> None:
    with pytest.raises(ValueError, match="AUTH_REGISTRIES") as refused:
        choose_policy(None, {"AUTH_REGISTRIES": logins})
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_no_text_shows_the_password_and_the_start_says_how_to_narrow_to_whom_it_is_lent() -> None:
    environ = {"REGISTRIES": "quay.io", "AUTH_REGISTRIES": f"quay.io:me:{CANARY} other.example:x:hunter2"}
    seed = seed_policy(environ)
    assert seed is not None
    chosen = choose_policy(None, environ)
    shown = f"{seed!r} {seed.text} {chosen!r}"
    assert CANARY not in shown
    assert "hunter2" not in shown
    unused, open_ = chosen.warnings
    assert unused.startswith("AUTH_REGISTRIES: the credential for other.example is not used")
    assert "write `clients private;` or name client groups" in open_
    assert [found.code for found in chosen.loaded.diagnostics if found.code == "RP304"] == ["RP304"]
