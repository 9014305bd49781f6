"""Writing a policy file anew: all of it or nothing, with the mode it had."""

import os
import tempfile
from pathlib import Path


def rewrite(path: Path, text: str) -> None:
    """Replace the content of a file; a link stays a link. Raises OSError, and then the file is as it was."""
    target = Path(os.path.realpath(path))
    mode = target.stat().st_mode & 0o7777
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    written = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        written.chmod(mode)
        written.replace(target)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
