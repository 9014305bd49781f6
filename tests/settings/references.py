"""Random references as clients and strangers make them, for comparing what two engines think of each."""

import random
import string
from collections.abc import Iterator

from regproxy.model.oci import Kind, Resource, classify

MAX_TAG = 128
_HEX = "0123456789abcdef"
_FIRST = string.ascii_letters + string.digits + "_"
_WORDS = (
    *"latest stable nightly production test testing edge main master canary dev stage staging rc RC1 beta".split(),
    *"alpine bookworm slim unstable sta stabl STABLE Test v V sha sha256 sha512 pr it-s r2 r2d2 a.b".split(),
)
_REPOSITORIES = (
    *"library/nginx library/stable team/app latest/stable production v1.2/x a a/b/c/d/e/f test-1.2.3/tool".split(),
    *"x__y/z---z blob manifest sha256/x stable 1.2.3/4.5.6".split(),
    "deep/" * 40 + "end",
)


def targets(chance: random.Random, count: int) -> Iterator[str]:
    """So many request targets that the OCI grammar has: manifests and blobs above all, and a few of the rest."""
    for _ in range(count):
        target = _target(chance)
        found = classify(target)
        assert isinstance(found, Resource), target
        assert found.kind is not Kind.UPLOAD, target
        yield target


def _target(chance: random.Random) -> str:
    repository = chance.choice(_REPOSITORIES)
    match chance.randrange(20):
        case 0:
            return f"/v2/{repository}/tags/list?n={chance.randrange(100)}"
        case 1:
            return f"/v2/{repository}/referrers/{_digest(chance)}"
        case 2:
            return "/v2/_catalog"
        case 3 | 4 | 5:
            return f"/v2/{repository}/blobs/{_escaped(chance, _digest(chance))}"
        case 6 | 7:
            return f"/v2/{repository}/manifests/{_escaped(chance, _digest(chance))}"
        case 8:
            return f"/v2/{repository}/manifests/{tag(chance)}?ns=docker.io"
        case _:
            return f"/v2/{repository}/manifests/{tag(chance)}"


def _digest(chance: random.Random) -> str:
    match chance.randrange(6):
        case 0 | 1 | 2:
            return "sha256:" + _some(chance, _HEX, 64)
        case 3 | 4:
            return "sha512:" + _some(chance, _HEX, 128)
        case _:
            algorithm = chance.choice(("sha384", "blake3", "md5", "multihash+base58", "sha256+b64", "stable", "test"))
            return f"{algorithm}:{_some(chance, _FIRST, chance.randint(1, 80))}"


def _escaped(chance: random.Random, digest: str) -> str:
    """Some clients send the colon as an escape."""
    return digest.replace(":", chance.choice((":", ":", "%3A", "%3a")))


def tag(chance: random.Random) -> str:
    """One tag: of the shapes that people use, or one that costs a backtracking engine most."""
    match chance.randrange(10):
        case 0 | 1:
            return chance.choice(_WORDS)
        case 2 | 3:
            return _joined(chance, [chance.choice(_WORDS), _version(chance)])
        case 4:
            return _version(chance)
        case 5:
            return _joined(chance, [_version(chance), chance.choice(_WORDS), _version(chance)])
        case 6:
            return (
                f"{chance.choice(('sha256', 'sha512'))}-{_some(chance, _HEX, 64)}{chance.choice(('', '.sig', '.att'))}"
            )
        case 7:
            return _some(chance, _HEX, chance.randint(1, 40))
        case 8:
            return chance.choice(_FIRST) + _some(chance, _FIRST + "-.", chance.randint(0, MAX_TAG - 1))
        case _:
            return hostile_tag(chance)


def hostile_tag(chance: random.Random) -> str:
    """A tag of full length that nearly matches: few digits and dots, or hardly anything else."""
    filler = chance.choice("a_-1v0")
    body = [filler] * MAX_TAG
    for _ in range(chance.randrange(4)):
        body[chance.randrange(MAX_TAG)] = chance.choice("0.9")
    body[0] = chance.choice(_FIRST)
    body[-1] = chance.choice("ab_-.1")
    return "".join(body)


def _version(chance: random.Random) -> str:
    numbers = [str(chance.choice((0, 1, 2, 9, 10, 12, 22, 2024))) for _ in range(chance.randint(1, 4))]
    return chance.choice(("", "", "v", "V")) + chance.choice((".", ".", ".", "-", "_", "")).join(numbers)


def _joined(chance: random.Random, parts: list[str]) -> str:
    chance.shuffle(parts)
    return chance.choice(("-", "-", ".", "_", "")).join(parts)[:MAX_TAG]


def _some(chance: random.Random, alphabet: str, count: int) -> str:
    return "".join(chance.choices(alphabet, k=count))
