"""Warm blocks: tags at registries that the policy caches, how often, and when."""

from collections.abc import Iterable, Iterator

from regproxy.model.inventory import TagKey
from regproxy.model.warm import Hours, Warm
from regproxy.policy.check import Checked
from regproxy.policy.connecting import ConnectTable
from regproxy.policy.diagnostic import Diagnostic, error
from regproxy.policy.images import read_image
from regproxy.policy.syntax import Duration, Text

DEFAULT_SECONDS, LEAST_SECONDS = 900.0, 60.0


def build_warm(blocks: Iterable[Checked], table: ConnectTable, found: list[Diagnostic]) -> tuple[Warm, ...]:
    """What the blocks say."""
    return tuple(_warm(block, table, found) for block in blocks)


def _warm(block: Checked, table: ConnectTable, found: list[Diagnostic]) -> Warm:
    every = block.one("every")
    seconds = DEFAULT_SECONDS
    match every.arguments if every is not None else ():
        case (Duration(given, span),):
            if given < LEAST_SECONDS:
                found.append(error("RP108", span, "nobody is asked so often", help="1m is the least"))
            seconds = given
    hours = list(map(_minutes, _texts(block, "between")))
    return Warm(
        block.name,
        tuple(_images(block, table, found)),
        seconds,
        tuple(_texts(block, "platforms")),
        Hours(hours[0], hours[1]) if len(hours) == 2 else None,
    )


def _images(block: Checked, table: ConnectTable, found: list[Diagnostic]) -> Iterator[TagKey]:
    for entry in block.all("images"):
        for given in entry.arguments:
            if not isinstance(given, Text):
                continue
            try:
                image = read_image(table, given.text)
            except ValueError as wrong:
                found.append(error("RP108", given.span, str(wrong), help='like "docker.io/library/redis:7"'))
                continue
            if image.digest is not None:
                sentence = "a digest means the same for ever, and need not be asked about"
                found.append(error("RP108", given.span, sentence, help="name a tag"))
                continue
            yield image.key


def _texts(block: Checked, key: str) -> list[str]:
    return [given.text for entry in block.all(key) for given in entry.arguments if isinstance(given, Text)]


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)
