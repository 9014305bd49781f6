"""The policies that come with the program: beside the package in a checkout, inside it in a wheel."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import regproxy
from regproxy.policy.source import Source


def policies_directory() -> Path:
    """The folder of packaged policies; raises FileNotFoundError when the installation lacks it."""
    inside = Path(str(resources.files(regproxy))) / "policies"
    beside = Path(regproxy.__file__).parent.parent / "policies"
    for folder in (inside, beside):
        if (folder / "default.policy").is_file():
            return folder
    raise FileNotFoundError(f"the packaged policies are missing from {inside}; install regproxy again")


def packaged_source(name: str) -> Source:
    """A packaged policy by its name, without `.policy`."""
    path = policies_directory() / f"{name}.policy"
    return Source(f"policies/{name}.policy", path.read_text(encoding="utf-8"))


def known_sources() -> Mapping[str, Source]:
    """What `include known` can take in, by name."""
    folder = policies_directory() / "known"
    return {path.stem: packaged_source(f"known/{path.stem}") for path in sorted(folder.glob("*.policy"))}
