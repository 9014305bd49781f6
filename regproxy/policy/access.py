"""`access { }`: the groups of clients that may use the proxy, and those that may not."""

from regproxy.model.access import Access
from regproxy.model.group import ClientGroup
from regproxy.policy.check import Checked
from regproxy.policy.diagnostic import Diagnostic, warning
from regproxy.policy.groups import Groups
from regproxy.policy.include import Files
from regproxy.policy.syntax import Text, Word
from regproxy.policy.users import build_users


def build_access(top: Checked, groups: Groups, files: Files, found: list[Diagnostic]) -> Access:
    """The users of the proxy and who may use it."""
    users = build_users(top, files, found)
    if not top.all("users file") or users is not None:
        _nobodies(top, frozenset(users.hashes if users is not None else ()), found)
    blocks = top.inner("access")
    listed = [_listed(blocks[0], key, groups, found) if blocks else () for key in ("allow", "deny")]
    return Access(users, *listed)


def _nobodies(top: Checked, known: frozenset[str], found: list[Diagnostic]) -> None:
    """RP105: users of a group that nobody can prove to be."""
    for block in top.inner("client-group"):
        for entry in block.all("user"):
            for given in entry.arguments:
                if isinstance(given, Text) and given.text not in known:
                    sentence = f'no user is called "{given.text}"'
                    hint = 'name them in a `users file "/run/secrets/htpasswd";`' if not known else ""
                    found.append(warning("RP105", given.span, sentence, help=hint))


def _listed(block: Checked, key: str, groups: Groups, found: list[Diagnostic]) -> tuple[ClientGroup, ...]:
    words = [given for entry in block.all(key) for given in entry.arguments if isinstance(given, Word)]
    named = [groups.find(word.text, word.span, found) for word in words]
    return tuple(group for group in named if group is not None)
