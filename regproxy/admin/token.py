"""The token that callers over TCP must know: read from its file each time, so that a new one counts at once."""

import asyncio
import hmac
from pathlib import Path

MIN_TOKEN, MAX_TOKEN = 16, 1024
MAX_TOKENS = 20  # of one file: while one is replaced, both count
MAX_FILE = MAX_TOKENS * (MAX_TOKEN + 2)


class TokenFile:
    """A file with a token a line; each of them counts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[str, ...]:
        """The tokens; raises OSError, and ValueError in one sentence, which holds none of them."""
        with self._path.open("rb") as file:
            text = file.read(MAX_FILE + 1)
        if len(text) > MAX_FILE or not text.isascii():
            raise ValueError(f"{self._path} is no file of tokens: at most {MAX_TOKENS} lines of ASCII letters")
        tokens = tuple(line for line in map(str.strip, text.decode().splitlines()) if line)
        if not tokens:
            raise ValueError(f"{self._path} is empty; write a token into it: openssl rand -hex 32")
        if any(not MIN_TOKEN <= len(token) <= MAX_TOKEN for token in tokens) or len(tokens) > MAX_TOKENS:
            raise ValueError(f"{self._path}: a token has {MIN_TOKEN} to {MAX_TOKEN} letters: openssl rand -hex 32")
        return tokens

    async def current(self) -> tuple[str, ...]:
        """The tokens as the file says now; none, and so nobody comes in, where it cannot be read."""
        try:
            return await asyncio.to_thread(self.read)
        except (OSError, ValueError):
            return ()


def same(wanted: str, given: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how far."""
    return hmac.compare_digest(wanted.encode(), given.encode())


def any_same(wanted: tuple[str, ...], given: str) -> bool:
    """Whether it is one of these, in a time that does not tell which."""
    return sum([same(one, given) for one in wanted]) > 0


def derived(token: str, *words: str) -> str:
    """A secret that only who knows the token can make, for one purpose: HMAC-SHA256, hexadecimal."""
    return hmac.new(token.encode(), "\0".join(words).encode(), "sha256").hexdigest()
