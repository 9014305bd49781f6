"""Client groups: the blocks that define them, and the places that name one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from regproxy.model.address import Network
from regproxy.model.group import ClientGroup
from regproxy.policy.check import Checked
from regproxy.policy.diagnostic import Diagnostic, error, nearest
from regproxy.policy.given import Cidr
from regproxy.policy.source import Span
from regproxy.policy.syntax import Text

# Words that stand beside the names of groups where clients are listed.
RESERVED = ("any", "private")


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of a policy by name; `complete` is False when one of them was lost to a mistake."""

    named: Mapping[str, ClientGroup] = field(default_factory=dict)
    complete: bool = True

    def find(self, name: str, span: Span, found: list[Diagnostic]) -> ClientGroup | None:
        """The group that a word in the policy names; None where there is none, which is reported: RP105."""
        group = self.named.get(name)
        if group is None and self.complete:
            hint = nearest(name, self.named) or f'write `client-group {name} {{ address "10.0.0.0/8"; }}`'
            found.append(error("RP105", span, f"no client-group is named `{name}`", help=hint))
        return group


def build_groups(blocks: Iterable[Checked], found: list[Diagnostic], *, complete: bool) -> Groups:
    """The groups that the blocks define."""
    named = {}
    for block in blocks:
        if block.name in RESERVED:
            sentence = f"`{block.name}` already says which clients, so no group can be called so"
            found.append(error("RP108", block.span, sentence, help="call it otherwise"))
        elif block.name:
            named[block.name] = ClientGroup(block.name, tuple(_addresses(block)), tuple(_users(block)))
            if block.complete and not (block.all("address") or block.all("user")):
                hint = 'add `address "10.0.0.0/8";` or `user "ci";`'
                found.append(error("RP107", block.span, f"client-group `{block.name}` has no clients", help=hint))
    return Groups(named, complete)


def _users(block: Checked) -> Iterable[str]:
    for entry in block.all("user"):
        yield from (given.text for given in entry.arguments if isinstance(given, Text))


def _addresses(block: Checked) -> Iterable[Network]:
    for entry in block.all("address"):
        yield from (given.network for given in entry.arguments if isinstance(given, Cidr))
