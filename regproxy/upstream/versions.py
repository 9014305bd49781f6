"""The versions of what this process runs on, as the start-up check wants them."""

from importlib.metadata import version

import pycurl


def installed_versions() -> dict[str, str]:
    """Names and versions of the packages with a floor, libcurl as bundled with pycurl."""
    found = {name: version(name) for name in ("tornado", "cryptography")}
    found["libcurl"] = pycurl.version_info()[1]
    return found
