"""Real git over HTTP: `git http-backend` as a CGI program behind the hostile server's TLS."""

import os
import subprocess
from pathlib import Path

from tests.lab.answers import Answer, Handler, Received
from tests.lab.processes import clean_environment

_IDENTITY = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
_IDENTITY |= {f"GIT_{who}_{what}": "test@example.test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(directory: Path, *arguments: str, **environment: str) -> str:
    """Run git there with no configuration but ours; its output."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=directory,
        env=clean_environment(**_IDENTITY, GIT_TERMINAL_PROMPT="0") | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"git {' '.join(arguments)}: {done.stdout}")
    return done.stdout


def make_repository(root: Path, name: str, size: int) -> Path:
    """A bare repository below `root` with one commit that holds a random file of `size` bytes; pushes are allowed."""
    work, bare = root / f"{name}-work", root / f"{name}.git"
    work.mkdir(parents=True)
    git(work, "init", "-q", "-b", "main")
    (work / "data.bin").write_bytes(os.urandom(size))
    git(work, "add", ".")
    git(work, "commit", "-q", "-m", "first")
    git(root, "clone", "-q", "--bare", str(work), str(bare))
    git(bare, "config", "http.receivepack", "true")
    return bare


def git_backend(root: Path, prefix: str) -> Handler:
    """Answers requests below `prefix` with `git http-backend` for the repositories below `root`."""

    def answer(request: Received) -> Answer:
        path, _, query = request.target.partition("?")
        environment = clean_environment(
            **_IDENTITY,
            GIT_PROJECT_ROOT=str(root),
            GIT_HTTP_EXPORT_ALL="1",
            PATH_INFO=path.removeprefix(prefix.rstrip("/")),
            QUERY_STRING=query,
            REQUEST_METHOD=request.method,
            CONTENT_TYPE=request.field("content-type"),
            CONTENT_LENGTH=str(len(request.body)),
            HTTP_CONTENT_ENCODING=request.field("content-encoding"),
            GIT_PROTOCOL=request.field("git-protocol"),
        )
        command = ["git", "http-backend"]
        done = subprocess.run(command, input=request.body, env=environment, stdout=subprocess.PIPE, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")]
        status = next((int(value.split()[0]) for name, _, value in fields if name == "Status"), 200)
        return Answer(status, tuple((name, value) for name, _, value in fields if name != "Status"), body)

    return answer
