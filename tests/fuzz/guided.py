"""Lets atheris look for an input that a target breaks on: `python -m tests.fuzz.guided TARGET [flags of libFuzzer]`."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["regproxy"]):
    from tests.fuzz.targets import TARGETS


def main(name: str, flags: list[str]) -> None:
    """Run until libFuzzer's flags say that it is enough; the process ends with its exit code, 0 for no finding."""
    target = TARGETS[name]
    with tempfile.TemporaryDirectory(prefix="regproxy-fuzz-") as directory:
        corpus, words = Path(directory, "corpus"), Path(directory, "words")
        corpus.mkdir()
        for number, sound in enumerate(target.corpus):
            (corpus / str(number)).write_bytes(sound)
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        atheris.Setup(
            [sys.argv[0], str(corpus), f"-dict={words}", f"-artifact_prefix={directory}/", *flags], target.read
        )
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
