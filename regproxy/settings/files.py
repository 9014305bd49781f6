"""Reading a policy's files: regular files of bounded size below the policy's own folder, and nothing else."""

import io
import os
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from regproxy.model.secret import Origin, Secret
from regproxy.policy.diagnostic import Diagnostic, error
from regproxy.policy.include import Alone, Revealed
from regproxy.policy.source import Source, Span

MAX_POLICY = 1024 * 1024
MAX_LISTED = 1000
MAX_SECRET = 64 * 1024
_WHITE = str.maketrans("\r\n\t", "   ")


class Variables(Alone):
    """Secrets of a policy that is no file: what is in these variables."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def secret(self, origin: Origin, *, lines: bool = False) -> Revealed:
        """The value of a variable; files are refused."""
        if origin.kind == "file":
            return super().secret(origin, lines=lines)
        value = self._environ.get(origin.name, "")
        if not value:
            raise ValueError(f"the variable {origin.name} is not set")
        return Revealed(Secret(origin, value, time.time()))


class PolicyFiles:
    """The files of one policy; `path` is the main one, its folder the limit of what may be included.

    `folders` are those in which includes were looked for, `secrets` the files in which secrets were.
    """

    def __init__(self, path: Path, environ: Mapping[str, str] = os.environ) -> None:
        self.folders: set[str] = set()
        self.secrets: set[str] = set()
        self._path = path
        self._environ = environ
        self._root = Path(os.path.realpath(path.parent))

    def main(self) -> Source | Diagnostic:
        """The policy's own text, or why it is none; raises OSError with the way out when it cannot be read."""
        try:
            return decoded(str(self._path), read_regular(self._path))
        except OSError as wrong:
            sentence = f"cannot read the policy {self._path}: {wrong.strerror or wrong}"
            raise OSError(sentence) from wrong

    def include(self, including: str, pattern: str) -> Sequence[Source | Diagnostic]:
        """The files that a pattern names, sorted; see `policy.include.Files`."""
        folder = Path(including).parent
        parts = Path(pattern).parts
        if not parts or Path(pattern).is_absolute() or "\0" in pattern:
            raise ValueError(f'"{pattern[:60]}" must be a path relative to {including}')
        if any("*" in part for part in parts[:-1]) or parts[-1].count("*") > 1:
            raise ValueError(f'"{pattern[:60]}" may have one `*`, in the name of the file')
        self.folders.add(os.path.normpath(folder.joinpath(*parts[:-1])))
        if "*" not in parts[-1]:
            return (self._one(folder / pattern),)
        return tuple(self._one(path) for path in self._matching(folder.joinpath(*parts[:-1]), parts[-1]))

    def secret(self, origin: Origin, *, lines: bool = False) -> Revealed:
        """The secret in a file or a variable, without the newline at its end; see `policy.include.Files`."""
        if origin.kind == "env":
            return Variables(self._environ).secret(origin)
        self.secrets.add(origin.name)
        try:
            content = read_regular(Path(origin.name))
            exposed = bool(Path(origin.name).stat().st_mode & stat.S_IROTH)
        except OSError as wrong:
            raise ValueError(f"cannot read {origin.name}: {wrong.strerror or wrong}") from wrong
        if len(content) > MAX_SECRET:
            raise ValueError(f"{origin.name} is larger than {MAX_SECRET // 1024} KiB; is it a secret?")
        try:
            value = content.decode().rstrip("\r\n")
        except UnicodeDecodeError as wrong:
            raise ValueError(f"{origin.name} is not UTF-8") from wrong
        shown = value.translate(_WHITE) if lines else value
        if not value or not shown.isprintable():
            raise ValueError(
                f"{origin.name} is empty or holds {'control characters' if lines else 'more than one line'}"
            )
        return Revealed(Secret(origin, value, time.time()), exposed)

    def _matching(self, folder: Path, pattern: str) -> Iterable[Path]:
        """The files of one folder, dotfiles left out: Kubernetes and editors keep their own things there."""
        self._contained(folder)
        before, _, after = pattern.partition("*")
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for _, entry in zip(range(MAX_LISTED + 1), entries, strict=False)]
        except OSError as wrong:
            raise ValueError(f"cannot list {folder}: {wrong.strerror or wrong}") from wrong
        if len(names) > MAX_LISTED:
            raise ValueError(f"{folder} holds more than {MAX_LISTED} files")
        return [
            folder / name
            for name in sorted(names)
            if name.startswith(before)
            and name.endswith(after)
            and len(name) >= len(before) + len(after)
            and not name.startswith(".")
        ]

    def _one(self, path: Path) -> Source | Diagnostic:
        name = os.path.normpath(path)
        self._contained(path)
        try:
            return decoded(name, read_regular(path))
        except OSError as wrong:
            raise ValueError(f"cannot read {name}: {wrong.strerror or wrong}") from wrong

    def _contained(self, path: Path) -> None:
        if not Path(os.path.realpath(path)).is_relative_to(self._root):
            raise ValueError(f"{os.path.normpath(path)} lies outside the policy's folder")


def read_regular(path: Path) -> bytes:
    """The content of a regular file, at most a byte more than `MAX_POLICY`; raises OSError, also for a pipe."""
    # Opened by the object itself, so that it closes what it then refuses: a folder.
    with io.BufferedReader(io.FileIO(path, opener=_without_waiting)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is not a regular file")
        return file.read(MAX_POLICY + 1)


def _without_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK)


def decoded(name: str, content: bytes) -> Source | Diagnostic:
    """The text of a file, or why it is none; `content` may be a byte too long."""
    if len(content) > MAX_POLICY:
        first = Span(Source(name, ""), 0, 0)
        return error("RP009", first, f"the file is larger than {MAX_POLICY // 1024} KiB", help="is it a policy?")
    try:
        return Source(name, content.decode("utf-8-sig"))
    except UnicodeDecodeError as wrong:
        before = content[: wrong.start].decode("utf-8", "replace")
        place = Span(Source(name, before), len(before), len(before))
        return error("RP008", place, "the file is not UTF-8 from here on", help="save it as UTF-8")
