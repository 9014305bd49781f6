"""A warning about who is served what is stored: allowed, and dangerous where it is not meant."""

from collections.abc import Iterable, Iterator

from regproxy.policy.check import Checked
from regproxy.policy.diagnostic import Diagnostic, warning
from regproxy.policy.syntax import Word


def open_to_anyone(blocks: Iterable[Checked]) -> Iterator[Diagnostic]:
    """RP506: each `readers anyone`, in `defaults` or in a tier."""
    for block in blocks:
        for entry in block.all("readers"):
            match entry.arguments:
                case (Word("anyone"),):
                    yield warning(
                        "RP506",
                        entry.span,
                        "whoever asks is served what is stored, also what a login or a credential fetched",
                        note="nobody needs that for public images: they are served to anyone as it is",
                        help="remove it, or let the tier match only what everybody here may read",
                    )
                case _:
                    pass
