"""Inputs from a corpus and a dictionary: sound ones, and what becomes of them by a few strokes of chance."""

import random
from collections.abc import Iterator, Sequence

MAX_STROKES = 6
MAX_LENGTH = 4096


def mutated(corpus: Sequence[bytes], words: Sequence[bytes], seed: int, count: int) -> Iterator[bytes]:
    """`count` inputs: first the corpus as it stands, then mutations of it and of what was made before."""
    chance = random.Random(seed)
    pool = list(corpus)
    yield from corpus[:count]
    for _ in range(count - len(corpus)):
        made = chance.choice(pool)
        for _ in range(chance.randint(1, MAX_STROKES)):
            made = _stroke(made, pool, words, chance)
        made = made[:MAX_LENGTH]
        # Some mutations are mutated again: what takes several steps is reached, too.
        if chance.random() < 0.02:
            pool[chance.randrange(len(corpus), len(pool) + 1) :] = [made]
        yield made


def _stroke(text: bytes, pool: Sequence[bytes], words: Sequence[bytes], chance: random.Random) -> bytes:
    at, to = sorted((chance.randint(0, len(text)), chance.randint(0, len(text))))
    match chance.randrange(7):
        case 0:
            return text[:at] + chance.choice(words) + text[at:]
        case 1:
            return text[:at] + chance.choice(words) + text[to:]
        case 2:
            return text[:at] + text[to:]
        case 3:
            return text[:to] + text[at:to] + text[to:]
        case 4:
            return text[:at] + bytes([chance.randrange(256)]) + text[at + 1 :]
        case 5:
            return (
                text[:at]
                + chance.choice((b"\x00", b"\r\n", b" ", b"\t", b"\xc3\xa9", b"\xff", b"\xef\xbc\x8e"))
                + text[at:]
            )
        case _:
            other = chance.choice(pool)
            return text[:at] + other[chance.randint(0, len(other)) :]
