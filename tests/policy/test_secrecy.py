"""A literal secret is an error, and no message prints it."""

from pathlib import Path

import pytest

from regproxy.policy.diagnostic import Diagnostic, render
from regproxy.policy.load import load
from regproxy.policy.report import as_github, as_object, as_sarif
from regproxy.policy.secrecy import masked
from regproxy.policy.source import Source
from regproxy.settings.choose import load_file

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


@pytest.mark.parametrize("text", ['password "{}" }}', 'registry r {{ password "{}"\nhosts "r.example"; }}'])
def test_no_message_prints_the_beginning_of_a_long_secret(text: str) -> None:
    loaded = load(Source("p", f"policy 1;\n{text.format(SECRET * 8)}\n"), {})
    assert loaded.errors
    for found in loaded.diagnostics:
        assert SECRET not in everything(found)


def test_no_message_in_one_file_prints_the_secret_of_another(tmp_path: Path) -> None:
    main = tmp_path / "main.policy"
    main.write_text('policy 1;\ninclude "names.policy";\ntier t { match any; fresh $token; }\n')
    (tmp_path / "names.policy").write_text(f'let token = "{SECRET}";\n')
    loaded = load_file(main)
    assert [found.code for found in loaded.errors] == ["RP108", "RP301"]
    for found in loaded.diagnostics:
        assert SECRET not in everything(found)


@pytest.mark.parametrize(("text", "code"), [*zip(PLACES[:3], ("RP301", "RP301", "RP301"), strict=True)])
def test_a_secret_is_an_error_wherever_it_stands(text: str, code: str) -> None:
    assert code in {found.code for found in load(Source("p", f"policy 1;\n{text}\n"), {}).errors}


def test_masking_keeps_every_place() -> None:
    text = f'a "b"; password "{SECRET}"; c "d";\ntoken \'x\'; path "password";'
    assert masked(text) == f'a "b"; password "{"*" * len(SECRET)}"; c "d";\ntoken \'*\'; path "password";'


def test_the_file_and_the_name_of_a_secret_are_no_secret() -> None:
    text = 'password file "/run/secrets/x"; token env TOKEN;'
    assert masked(text) == text
