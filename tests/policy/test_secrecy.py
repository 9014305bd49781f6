"""A literal secret is an error, and no message prints it."""

import pytest

from regproxy.policy.diagnostic import Diagnostic, render
from regproxy.policy.load import load
from regproxy.policy.report import as_github, as_object, as_sarif
from regproxy.policy.secrecy import masked
from regproxy.policy.source import Source

SECRET = "hunter2-Zq9"
PLACES = (
    f'registry r {{ hosts "r.example"; password "{SECRET}"; }}',
    f'registry r {{ hosts "r.example"; auth basic {{ username "u"; password \'{SECRET}\'; }} }}',
    f'password "{SECRET}";',
    f'registry r {{ hosts "r.example"; token = "{SECRET}"; }}',
    f'registry r {{ hosts "r.example"; password "{SECRET}',
    f'registry r {{ hosts "r.example"; secret # mine\n "{SECRET}"; }}',
    f'registry r {{ hosts "r.example"; passphrase ["{SECRET}"]; }}',
    f'registry r {{ hosts "http://user:{SECRET}@r.example"; }}',
    f'tier t {{ match any; deny 403 "x"; password "{SECRET}" }}',
    f'let password = "{SECRET}"; tier t {{ match host is $password; pass; }}',
)


def everything(found: Diagnostic) -> str:
    return f"{render(found)}{as_github(found)}{as_object(found)}{as_sarif([found], '1')}"


@pytest.mark.parametrize("text", PLACES)
def test_no_message_prints_the_secret(text: str) -> None:
    loaded = load(Source("p", f"policy 1;\n{text}\n"), {})
    assert loaded.errors
    for found in loaded.diagnostics:
        assert SECRET not in everything(found)


@pytest.mark.parametrize("text", PLACES[:3])
def test_a_secret_is_an_error_wherever_it_stands(text: str) -> None:
    codes = {found.code for found in load(Source("p", f"policy 1;\n{text}\n"), {}).errors}
    assert codes & {"RP301", "RP100"}
    assert "RP301" in {found.code for found in load(Source("p", f"policy 1;\n{PLACES[0]}\n"), {}).errors}


def test_masking_keeps_every_place() -> None:
    text = f'a "b"; password "{SECRET}"; c "d";\ntoken \'x\'; path "password";'
    assert masked(text) == f'a "b"; password "{"*" * len(SECRET)}"; c "d";\ntoken \'*\'; path "password";'


def test_the_file_and_the_name_of_a_secret_are_no_secret() -> None:
    text = 'password file "/run/secrets/x"; token env TOKEN;'
    assert masked(text) == text
