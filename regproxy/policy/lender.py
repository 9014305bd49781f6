"""Which credential of a policy a request goes upstream with."""

from collections.abc import Mapping
from dataclasses import dataclass

from regproxy.model.account import ANONYMOUS, Account, Lent
from regproxy.model.address import Authority
from regproxy.model.lending import Lending
from regproxy.model.registry import Registry
from regproxy.policy.pattern import Pattern, compile_glob


@dataclass(frozen=True, slots=True)
class Lender:
    """All that a policy lends, its globs compiled."""

    blocks: Mapping[str, tuple[tuple[tuple[Pattern, ...], Lending], ...]]

    @classmethod
    def of(cls, registries: tuple[Registry, ...]) -> "Lender":
        """What these blocks lend."""
        return cls({one.name: tuple(_compiled(lending) for lending in one.auth) for one in registries if one.auth})

    def account(
        self, registry: Registry, authority: Authority, repository: str, client: str, user: str = ""
    ) -> Account:
        """Whose credential a request goes upstream with: the first that fits, else nobody's."""
        for patterns, lending in self.blocks.get(registry.name, ()):
            if _holds(patterns, repository) and lending.lends_to(client, user):
                return _lent(lending, authority)
        return ANONYMOUS

    def ours(self, registry: Registry, authority: Authority, repository: str) -> Account:
        """The same where the proxy asks by itself: to whom a credential is lent does not matter."""
        for patterns, lending in self.blocks.get(registry.name, ()):
            if _holds(patterns, repository):
                return _lent(lending, authority)
        return ANONYMOUS


def _holds(patterns: tuple[Pattern, ...], repository: str) -> bool:
    return not patterns or any(pattern.matches(repository) for pattern in patterns)


def _lent(lending: Lending, authority: Authority) -> Account:
    credential = lending.credential(authority)
    return Lent(credential) if credential is not None else ANONYMOUS


def _compiled(lending: Lending) -> tuple[tuple[Pattern, ...], Lending]:
    return tuple(compile_glob(text) for text in lending.repositories), lending
