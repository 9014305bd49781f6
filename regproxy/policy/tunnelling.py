"""The `tunnel` block: where tunnels may lead, and by which way."""

from collections.abc import Iterator

from regproxy.model.address import Network
from regproxy.model.secret import Origin
from regproxy.model.tunnel import TunnelRules
from regproxy.policy.check import Checked
from regproxy.policy.connecting import ConnectTable
from regproxy.policy.diagnostic import Diagnostic, error, warning
from regproxy.policy.egress import parent_proxy, seconds
from regproxy.policy.given import Cidr, Given
from regproxy.policy.include import Files
from regproxy.policy.no_proxy import read_no_proxy
from regproxy.policy.syntax import Integer, Text, Word


def build_tunnel(top: Checked, files: Files, found: list[Diagnostic]) -> TunnelRules:
    """The rules of a policy; without the block those that hold by default."""
    blocks, usual = top.inner("tunnel"), TunnelRules()
    if not blocks:
        return usual
    block = blocks[0]
    ports = _arguments(block, "ports")
    hosts, networks = _named_by_variable(block, files, found)
    return TunnelRules(
        allow=_texts(block, "allow"),
        deny=_texts(block, "deny"),
        ports=frozenset(given.number for given in ports if isinstance(given, Integer)) or usual.ports,
        any_port=any(isinstance(given, Word) for given in ports),
        allow_address=_networks(block, "allow-address"),
        proxy=parent_proxy(blocks, files, found),
        no_proxy=(*_texts(block, "no-proxy"), *hosts),
        no_proxy_address=(*_networks(block, "no-proxy"), *networks),
        connect=seconds(blocks, "connect-timeout") or usual.connect,
        idle=seconds(blocks, "idle-timeout") or usual.idle,
    )


def needless_exceptions(top: Checked, table: ConnectTable) -> Iterator[Diagnostic]:
    """RP308, for a `no-proxy` where there is no proxy at all."""
    if not table.has_parents:
        for block in top.inner("tunnel"):
            for entry in (*block.all("no-proxy"), *block.all("no-proxy env")):
                help_ = 'write `proxy "http://proxy.example:3128";` beside it, or remove it'
                yield warning("RP308", entry.span, "no proxy is named that this would be an exception to", help=help_)


def _named_by_variable(
    block: Checked, files: Files, found: list[Diagnostic]
) -> tuple[tuple[str, ...], tuple[Network, ...]]:
    """What a variable such as NO_PROXY names, which is no secret and read where secrets are."""
    for entry in block.all("no-proxy env"):
        for given in entry.arguments:
            if isinstance(given, Text):
                try:
                    return read_no_proxy(files.secret(Origin("env", given.text)).secret.reveal())
                except ValueError as wrong:
                    found.append(
                        error("RP302", entry.span, str(wrong), help='name hosts: `no-proxy "**.example.com";`')
                    )
    return (), ()


def _arguments(block: Checked, key: str) -> list[Given]:
    return [given for entry in block.all(key) for given in entry.arguments]


def _texts(block: Checked, key: str) -> tuple[str, ...]:
    return tuple(given.text for given in _arguments(block, key) if isinstance(given, Text))


def _networks(block: Checked, key: str) -> tuple[Network, ...]:
    return tuple(given.network for given in _arguments(block, key) if isinstance(given, Cidr))
