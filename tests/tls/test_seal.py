"""Seals: who has the same CA key opens them, in their context, and nobody else."""

from pathlib import Path

import pytest

from regproxy.tls.authority import create, load
from regproxy.tls.seal import Seal

HERE = b"quay.io:443"


def test_replicas_with_one_ca_open_each_others_seals(tmp_path: Path) -> None:
    made = create(tmp_path / "ca", ["quay.io"], 1_000_000.0)
    other = create(tmp_path / "other", ["quay.io"], 1_000_000.0)
    sealed = made.seal.close(b"alice", HERE)
    assert b"alice" not in sealed
    assert load(tmp_path / "ca").seal.open(sealed, HERE) == b"alice"
    assert made.seal.close(b"alice", HERE) != sealed
    with pytest.raises(ValueError, match="not ours"):
        other.seal.open(sealed, HERE)
    assert other.seal.beside(made.seal).open(sealed, HERE) == b"alice"
    with pytest.raises(ValueError, match="not ours"):
        made.seal.open(other.seal.beside(made.seal).close(b"bob", HERE), HERE)


@pytest.mark.parametrize("broken", [b"", b"short", bytes(64)])
def test_what_is_no_seal_of_ours_does_not_open(broken: bytes) -> None:
    seal = Seal(bytes(32))
    with pytest.raises(ValueError, match="not ours"):
        seal.open(broken, HERE)
    sealed = seal.close(b"alice", HERE)
    for wrong, context in ((sealed[:-1], HERE), (bytes([sealed[0] ^ 1]) + sealed[1:], HERE), (sealed, b"ghcr.io:443")):
        with pytest.raises(ValueError, match="not ours"):
            seal.open(wrong, context)
