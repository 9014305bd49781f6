"""Running a docker credential helper: `get`, the registry on standard input, JSON on standard output.

The protocol is docker's (docker/docker-credential-helpers, "Development"). Only programs of one directory are run, by
their plain name: a policy is no way to run others.
"""

import asyncio
import contextlib
import json
import os
import signal
import stat
from collections.abc import Mapping
from pathlib import Path

from regproxy.model.address import Authority
from regproxy.model.login import IdentityToken, Password

MAX_SECONDS = 10.0
MAX_OUTPUT = 64 * 1024
_KEPT = ("HOME", "PATH")  # of the environment
_IDENTITY_TOKEN = "<token>"  # noqa: S105 -- the protocol's word for a user name that is none
_HUB, _HUB_URL = Authority("registry-1.docker.io", 443), "https://index.docker.io/v1/"
_NONE = b"credentials not found in native keychain"


def program(directory: Path | None, command: str) -> Path:
    """The helper of this name in the directory; raises ValueError, a sentence, where there is none that may be run."""
    if directory is None:
        raise ValueError(f"{command} cannot be run: name the directory that holds it by --helper-dir")
    try:
        inside = Path(os.path.realpath(directory))
        path = Path(os.path.realpath(inside / command))
        mode = path.stat().st_mode
    except OSError as error:
        raise ValueError(f"{command} is not in {directory}: {error.strerror or error}") from error
    if path.parent != inside:
        raise ValueError(f"{command} in {directory} leads out of it: put the program itself there")
    if not stat.S_ISREG(mode) or not os.access(path, os.X_OK):
        raise ValueError(f"{path} is no program: chmod +x")
    if (mode | inside.stat().st_mode) & stat.S_IWOTH:
        raise ValueError(f"{path} or its directory can be written by every user of the machine: chmod o-w")
    return path


async def ask(path: Path, authority: Authority, environ: Mapping[str, str] = os.environ) -> Password | IdentityToken:
    """What the helper has for the registry; raises ValueError, in which nothing of its output occurs."""
    kept = {name: environ[name] for name in _KEPT if name in environ}
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=kept,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise ValueError(f"{path.name} cannot be started: {error.strerror or error}") from error
    try:
        async with asyncio.timeout(MAX_SECONDS):
            output = await _answer(process, authority)
            code = await process.wait()
    except TimeoutError as error:
        raise ValueError(f"{path.name} took longer than {MAX_SECONDS:g} seconds") from error
    finally:
        # What it started goes with it; the group lives as long as anybody in it does.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if code != 0:
        known = f"has nothing for {authority.name}" if _NONE in output else f"ended with exit code {code}"
        raise ValueError(f"{path.name} {known}")
    return _login(path.name, output)


async def _answer(process: asyncio.subprocess.Process, authority: Authority) -> bytes:
    """All that it says; raises ValueError beyond MAX_OUTPUT."""
    assert process.stdin is not None  # noqa: S101 -- both were asked for
    assert process.stdout is not None  # noqa: S101
    with contextlib.suppress(ConnectionError):
        process.stdin.write((_HUB_URL if authority == _HUB else authority.name).encode() + b"\n")
        await process.stdin.drain()
    process.stdin.close()
    output = bytearray()
    while chunk := await process.stdout.read(MAX_OUTPUT):
        output += chunk
        if len(output) > MAX_OUTPUT:
            raise ValueError(f"a credential helper said more than {MAX_OUTPUT // 1024} KiB")
    return bytes(output)


def _login(name: str, output: bytes) -> Password | IdentityToken:
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} answered no JSON") from error
    user, secret = (answer.get(key) if isinstance(answer, dict) else None for key in ("Username", "Secret"))
    if not isinstance(user, str) or not isinstance(secret, str) or not user or not secret or ":" in user:
        raise ValueError(f"{name} answered no Username and Secret")
    return IdentityToken(secret) if user == _IDENTITY_TOKEN else Password(user, secret)
