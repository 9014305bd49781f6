"""Policy text for the proxy under test: registry blocks that lead to loopback, and the packaged tiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Block:
    """One `registry NAME { }` block; `ports` says at which loopback port each of its names is found."""

    name: str
    hosts: tuple[str, ...]
    ports: Mapping[str, int]
    root: Path | None = None
    aliases: tuple[str, ...] = ()
    token_hosts: tuple[str, ...] = ()
    redirect_hosts: tuple[str, ...] = ()
    scheme: str = "https"
    allow_address: tuple[str, ...] = ("127.0.0.0/8",)
    more: tuple[str, ...] = ()

    def text(self) -> str:
        """The block in the policy language."""
        lines = [_names("hosts", self.hosts)]
        lines += [_names("aliases", self.aliases)] if self.aliases else []
        lines += [_names("token-hosts", self.token_hosts)] if self.token_hosts else []
        lines += [_names("redirect-hosts", self.redirect_hosts)] if self.redirect_hosts else []
        lines += [f"scheme {self.scheme};"] if self.scheme != "https" else []
        lines += [_names("allow-address", self.allow_address)] if self.allow_address else []
        default = 443 if self.scheme == "https" else 80
        dials = [
            f'connect-to "{name if ":" in name else f"{name}:{default}"}" "127.0.0.1:{port}";'
            for name, port in self.ports.items()
        ]
        lines += [f"upstream {{ {' '.join(dials)} }}"] if dials else []
        lines += [f'tls {{ ca file "{self.root}"; }}'] if self.root is not None else []
        lines += self.more
        return f"registry {self.name} {{\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def _names(directive: str, names: tuple[str, ...]) -> str:
    quoted = " ".join(f'"{name}"' for name in names)
    return f"{directive} {quoted};"


def packaged_tiers() -> str:
    """`defaults` and the tiers of policies/default.policy, word for word; head and tests name the real registries."""
    text = (REPOSITORY / "policies" / "default.policy").read_text()
    return text[text.index("\ndefaults {") : text.index('\ntest "')]


def policy(*blocks: Block, tiers: str | None = None, head: str = "") -> str:
    """A whole policy: these registries, then `tiers`, or the packaged ones."""
    parts = ["policy 1;\n", head, *(block.text() for block in blocks), packaged_tiers() if tiers is None else tiers]
    return "\n".join(parts)
