"""The `users file`: lines of `user:hash` as htpasswd writes them, with bcrypt's hashes and no others."""

import re

from regproxy.model.access import ProxyUsers
from regproxy.model.secret import Origin
from regproxy.policy.check import Checked
from regproxy.policy.diagnostic import Diagnostic, error, warning
from regproxy.policy.include import Files
from regproxy.policy.syntax import Text

# Each step doubles the time: this one takes about a second.
MAX_COST = 14
_LINE = re.compile(r"([^:\s][^:]{0,199}):\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_WAY = "add users by `htpasswd -B FILE USER`"


def build_users(top: Checked, files: Files, found: list[Diagnostic]) -> ProxyUsers | None:
    """The users of the proxy; RP302 where the file cannot be had or has other lines, without a character of them."""
    entry = top.one("users file")
    match entry.arguments if entry is not None else ():
        case (Text(path, span),):
            origin = Origin("file", path)
        case _:
            return None
    try:
        revealed = files.secret(origin, lines=True)
        hashes = read_users(revealed.secret.reveal())
    except ValueError as wrong:
        found.append(error("RP302", span, str(wrong), help=_WAY))
        return None
    if revealed.exposed:
        sentence = f"{path} can be read by every user of the machine"
        found.append(warning("RP303", span, sentence, help=f"chmod o-r {path}"))
    return ProxyUsers(origin, hashes)


def read_users(text: str) -> dict[str, str]:
    """The hashes by user; raises ValueError, which tells the number of a line and nothing that is in it."""
    hashes: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        read = _LINE.fullmatch(line.rstrip())
        if read is None:
            raise ValueError(f"line {number} of the users file is no user with a hash of bcrypt, which alone is read")
        user, cost = read.groups()
        if int(cost) > MAX_COST:
            raise ValueError(f"line {number} of the users file has a hash of cost {cost}, above {MAX_COST}: too slow")
        if user in hashes:
            raise ValueError(f"line {number} of the users file names a user a second time")
        hashes[user] = line.rstrip().partition(":")[2]
    return hashes
