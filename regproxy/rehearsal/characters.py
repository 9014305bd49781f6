"""Sets of characters as bits: one for each of ASCII, and one for all characters beyond it together."""

import string

BEYOND = 128
EVERY = (1 << (BEYOND + 1)) - 1


def bit(character: str) -> int:
    """The position of a character's bit."""
    return min(ord(character), BEYOND)


def characters(text: str) -> int:
    """The set of these characters."""
    found = 0
    for character in text:
        found |= 1 << bit(character)
    return found


def between(first: int, last: int) -> int:
    """The set of the code points from `first` to `last`."""
    low, high = min(first, BEYOND), min(last, BEYOND)
    return (1 << (high + 1)) - (1 << low)


def both_cases(found: int) -> int:
    """The set with each of its letters in both cases."""
    upper = found & UPPER
    lower = found & LOWER
    return found | upper << 32 | lower >> 32


UPPER = characters(string.ascii_uppercase)
LOWER = characters(string.ascii_lowercase)
DIGITS = characters(string.digits)
WORD = UPPER | LOWER | DIGITS | characters("_")
NEWLINE = characters("\n")
# Letters that have a third form beyond ASCII: the Kelvin sign and the long s.
FOLDED_BEYOND = characters("kKsS")

PERL = {"d": DIGITS, "w": WORD, "s": characters("\t\n\f\r ")}
POSIX = {
    "alnum": UPPER | LOWER | DIGITS,
    "alpha": UPPER | LOWER,
    "ascii": between(0, 127),
    "blank": characters("\t "),
    "cntrl": between(0, 31) | 1 << 127,
    "digit": DIGITS,
    "graph": between(0x21, 0x7E),
    "lower": LOWER,
    "print": between(0x20, 0x7E),
    "punct": characters(string.punctuation),
    "space": characters("\t\n\v\f\r "),
    "upper": UPPER,
    "word": WORD,
    "xdigit": characters(string.hexdigits),
}
