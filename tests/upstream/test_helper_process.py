"""Credential helpers as programs: which are run, with what, and what they may say."""

import asyncio
import json
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.model.login import IdentityToken, Login, Password
from regproxy.upstream import helper_process
from regproxy.upstream.helper_process import ask, program
from tests.lab.processes import until

ECR = Authority("1234.dkr.ecr.eu-central-1.amazonaws.com", 443)
HUB = Authority("registry-1.docker.io", 443)
NAME = "docker-credential-x"
CANARY = "hunter2-Zq9"


def put(directory: Path, body: str, name: str = NAME) -> Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def says(user: str, secret: str) -> str:
    return f"cat >/dev/null; echo '{json.dumps({'ServerURL': 'x', 'Username': user, 'Secret': secret})}'"


@pytest.mark.parametrize(
    ("user", "login"),
    [
        ("AWS", Password("AWS", f"{CANARY}: $x")),
        ("_json_key", Password("_json_key", f"{CANARY}: $x")),
        ("<token>", IdentityToken(f"{CANARY}: $x")),
    ],
)
def test_what_a_helper_says_is_a_login(user: str, login: Login, tmp_path: Path) -> None:
    path = put(tmp_path, says(user, f"{CANARY}: $x"))
    assert asyncio.run(ask(program(tmp_path, NAME), ECR)) == login
    assert path == program(tmp_path, NAME)


@pytest.mark.parametrize(
    ("authority", "asked"),
    [(ECR, ECR.name), (HUB, "https://index.docker.io/v1/"), (Authority("a.lan", 5000), "a.lan:5000")],
)
def test_a_helper_is_asked_by_get_for_the_registry_and_sees_nothing_else(
    authority: Authority, asked: str, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    path = put(tmp_path, f'(echo "$@"; cat; pwd; env) >{seen}; {says("a", "b").partition(";")[2]}')
    environ = {"HOME": "/h", "PATH": "/bin:/usr/bin", "AUTH_REGISTRIES": CANARY, "LD_PRELOAD": ""}
    asyncio.run(ask(path, authority, environ))
    said = seen.read_text().splitlines()
    assert said[:3] == ["get", asked, "/"]
    assert {line.partition("=")[0] for line in said[3:]} - {"PWD", "OLDPWD", "SHLVL", "_"} == {"HOME", "PATH"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("exit 3", "ended with exit code 3"),
        (f"echo {CANARY}; exit 1", "ended with exit code 1"),
        ("echo 'credentials not found in native keychain'; exit 1", f"has nothing for {ECR.name}"),
        (f"echo {CANARY}", "answered no JSON"),
        ("echo '[]'", "answered no Username and Secret"),
        (says("", CANARY), "answered no Username and Secret"),
        (says("a:b", CANARY), "answered no Username and Secret"),
        ('echo \'{"Username": "a", "Secret": 7}\'', "answered no Username and Secret"),
        ("head -c 70000 /dev/zero", "said more than 64 KiB"),
        ("kill -9 $$", "ended with exit code -9"),
        ("sleep 60 & wait", "took longer than 0.5 seconds"),
        ("trap '' TERM; exec >&-; exec sleep 60", "took longer than 0.5 seconds"),
    ],
)
def test_what_is_no_login_is_a_sentence_without_what_was_said(
    body: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helper_process, "MAX_SECONDS", 0.5 if "sleep" in body else 10.0)
    with pytest.raises(ValueError, match="credential") as refused:
        asyncio.run(ask(put(tmp_path, body), ECR))
    assert said in str(refused.value)
    assert CANARY not in str(refused.value)


def test_what_a_helper_started_ends_with_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    path = put(tmp_path, f"sleep 60 >/dev/null & echo $! >{pid}; {says('a', 'b')}")
    asyncio.run(ask(path, ECR))
    stat = Path(f"/proc/{pid.read_text().strip()}/stat")
    until(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z", 10, "its end")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("nothing", "is not in"),
        ("link out", "leads out of it"),
        ("plain file", "chmod +x"),
        ("folder", "is no program"),
        ("anybody's", "chmod o-w"),
        ("in anybody's folder", "chmod o-w"),
    ],
)
def test_only_programs_of_the_directory_are_run(made: str, said: str, tmp_path: Path) -> None:
    directory = tmp_path / "helpers"
    directory.mkdir()
    match made:
        case "link out":
            (directory / NAME).symlink_to(put(tmp_path, "echo", "elsewhere"))
        case "plain file":
            put(directory, "echo").chmod(0o644)
        case "folder":
            (directory / NAME).mkdir()
        case "anybody's":
            put(directory, "echo").chmod(0o757)
        case "in anybody's folder":
            put(directory, "echo")
            directory.chmod(0o757)
    with pytest.raises(ValueError, match="docker-credential-x") as refused:
        program(directory, NAME)
    assert said in str(refused.value)


def test_a_link_inside_the_directory_is_as_good_as_a_file_and_without_a_directory_nothing_is_run(
    tmp_path: Path,
) -> None:
    real = put(tmp_path, "echo", "ecr-login-1.2")
    (tmp_path / NAME).symlink_to("ecr-login-1.2")
    assert program(tmp_path, NAME) == real
    with pytest.raises(ValueError, match="--helper-dir"):
        program(None, NAME)
