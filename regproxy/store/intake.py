"""Content carried into a cache that no proxy uses: hashed before it is kept, and named only as the operator says."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from regproxy.model.account import ANONYMOUS
from regproxy.model.address import Authority
from regproxy.model.ambiguity import ambiguity
from regproxy.model.entry import Binding, BindingKey, Link, LinkKey
from regproxy.model.manifest import children
from regproxy.model.oci import MAX_MANIFEST, Digest, Kind
from regproxy.store.files import PARTS, Part, create, publish, settle
from regproxy.store.rows import Changes, read_link, write
from regproxy.store.scrub import Directory


@dataclass(frozen=True, slots=True)
class Carried:
    """Something by digest that is to be taken in: what it is, and its bytes, piece by piece."""

    repository: str
    kind: Kind
    digest: Digest
    media_type: str
    pieces: Iterable[bytes]


class Intake:
    """Takes in what was carried here; `now` in seconds since the epoch.

    `public`: strangers may read the repositories, on the operator's word. Else the registry is asked whether the caller
    may, as for anything that it was not asked about yet.
    """

    def __init__(self, directory: Directory, now: float, *, public: bool) -> None:
        self._directory = directory
        self._now = now
        self._public = public

    def take(self, authority: Authority, carried: Carried) -> int | None:
        """Keep the bytes under their digest, and link them to the repository; how many, None where they are others.

        A manifest that may be read in two ways is not taken either. Raises OSError when the disk refuses.
        """
        path = self._directory.path / PARTS / f"carried-{carried.digest.encoded[:32]}"
        descriptor, reader = create(path, 0)
        try:
            size, body = self._written(descriptor, carried)
            if size is None or (body is not None and ambiguity(body, carried.media_type) is not None):
                path.unlink(missing_ok=True)
                return None
            part = Part(path, carried.digest, settle(descriptor, "data"), "data")
            publish(self._directory.tables, self._directory.path, part, self._now)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
            os.close(reader)
        self._link(authority, carried, size, body)
        return size

    def _written(self, descriptor: int, carried: Carried) -> tuple[int | None, bytes | None]:
        """The size, None where the bytes are others, and the body of a manifest."""
        state, size, kept = hashlib.new(carried.digest.algorithm), 0, bytearray()
        is_manifest = carried.kind is Kind.MANIFEST
        for piece in carried.pieces:
            state.update(piece)
            size += len(piece)
            if is_manifest:
                if size > MAX_MANIFEST:
                    return None, None
                kept += piece
            _write(descriptor, piece)
        right = state.hexdigest() == carried.digest.encoded
        return (size if right else None), (bytes(kept) if is_manifest else None)

    def _link(self, authority: Authority, carried: Carried, size: int, body: bytes | None) -> None:
        key = LinkKey(authority, carried.repository, carried.kind, carried.digest)
        # What the registry said itself stands: a newer row would wait for a newer grant.
        known = read_link(self._directory.tables, key) is not None
        link = Link(carried.media_type, size, (), self._now, "get")
        references = tuple((carried.digest, child) for child in children(body or b""))
        changes = Changes(links=() if known else ((key, link),), references=references)
        write(self._directory.tables, changes)

    def name(self, key: BindingKey, digest: Digest, media_type: str, size: int) -> None:
        """Let the tag mean this digest, as of now."""
        binding = Binding(digest, media_type, size, (), self._now, self._now)
        write(self._directory.tables, Changes(bindings=((key, binding),)))

    def open_to_all(self, repositories: Iterable[tuple[Authority, str]]) -> None:
        """Let strangers read the repositories, if the operator says so."""
        if self._public:
            granted = tuple((*place, ANONYMOUS.label, self._now) for place in repositories)
            write(self._directory.tables, Changes(granted=granted))


def _write(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def pieces_of(descriptor: int, size: int = 1024 * 1024) -> Iterator[bytes]:
    """What a descriptor has from where it stands."""
    while piece := os.read(descriptor, size):
        yield piece
