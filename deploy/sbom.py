"""Prints what this system is made of, Debian's packages and this interpreter's, as CycloneDX 1.6 (ECMA-424)."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from urllib.parse import quote

FORMAT = r"${Package}\t${Version}\t${Architecture}\n"


def python() -> Iterator[dict[str, str]]:
    """The distributions that are installed."""
    for found in metadata.distributions():
        name, version = found.metadata["Name"].lower().replace("_", "-"), found.version
        yield _component(name, version, f"pkg:pypi/{quote(name)}@{quote(version)}")


def debian() -> Iterator[dict[str, str]]:
    """The packages that are installed; none where the system is no Debian."""
    if shutil.which("dpkg-query") is None:
        return
    command = ["dpkg-query", "--show", f"--showformat={FORMAT}"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 -- dpkg's own
    for line in listing.splitlines():
        name, version, architecture = line.split("\t")
        yield _component(name, version, f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}")


def _component(name: str, version: str, purl: str) -> dict[str, str]:
    return {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}


def main() -> None:
    """Print the document, its components in order."""
    components = {one["purl"]: one for one in (*python(), *debian())}
    own = metadata.version("regproxy")
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "regproxy", "version": own}},
        "components": [components[purl] for purl in sorted(components)],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
