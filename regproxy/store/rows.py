"""What names meant, as rows: the statements that write the model's values, and the look-ups that read them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from regproxy.model.address import Authority, parse_authority
from regproxy.model.entry import Binding, BindingKey, Challenge, Generic, GenericKey, Link, LinkKey
from regproxy.model.message import Fields
from regproxy.model.oci import Digest, parse_digest
from regproxy.store.index import Tables, Value

Statement = tuple[str, tuple[Value, ...]]

# No body takes so many seconds: a row that is so far ahead is of a clock that was wrong.
CLOCK_WENT_BACK = 86_400.0


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push gave another meaning or took away: a tag, a digest, or, None, no more than the repository's lists."""

    authority: Authority
    repository: str
    reference: str | Digest | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What one answer taught us, written together or not at all.

    `granted` carries when an account, by its label, last read the repository; `withdrawn` takes that back. What is
    dropped goes first, so that one set of changes may replace a row. What was `pushed` takes along what names it:
    bindings, links, and the repository's lists.
    """

    pushed: tuple[Pushed, ...] = ()
    dropped_bindings: tuple[BindingKey, ...] = ()
    dropped_links: tuple[LinkKey, ...] = ()
    dropped_generics: tuple[GenericKey, ...] = ()
    withdrawn: tuple[tuple[Authority, str, str], ...] = ()
    bindings: tuple[tuple[BindingKey, Binding], ...] = ()
    links: tuple[tuple[LinkKey, Link], ...] = ()
    generics: tuple[tuple[GenericKey, Generic], ...] = ()
    granted: tuple[tuple[Authority, str, str, float], ...] = ()
    challenges: tuple[tuple[Authority, Challenge], ...] = ()
    references: tuple[tuple[Digest, Digest], ...] = ()


def write(tables: Tables, changes: Changes) -> None:
    """Write the changes in one transaction."""
    with tables.transaction():
        for sql, values in _statements(changes):
            tables.change(sql, *values)


def _statements(changes: Changes) -> Iterator[Statement]:
    yield from _drops(changes)
    for key, binding in changes.bindings:
        yield _put("binding", *_binding_key(key), *_binding(binding))
        if not key.accept:
            yield _meant(key, binding)
    for link_key, link in changes.links:
        yield _put(
            "link", *_link_key(link_key), link.media_type, link.size, _dump(link.fields), link.checked_at, link.proof
        )
    for generic_key, generic in changes.generics:
        yield _put("generic", *_generic_key(generic_key), *_generic(generic))
    for authority, repository, account, checked_at in changes.granted:
        # A body that took long is written down late: it must not make what was asked meanwhile older.
        sql = (
            "INSERT INTO granted VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET checked_at = CASE"
            " WHEN checked_at > excluded.checked_at + ? THEN excluded.checked_at"
            " ELSE max(checked_at, excluded.checked_at) END"
        )
        yield sql, (str(authority), repository, account, checked_at, CLOCK_WENT_BACK)
    for authority, challenge in changes.challenges:
        yield _put("challenge", str(authority), challenge.scheme, challenge.realm, challenge.service)
    for manifest, child in changes.references:
        yield _put("reference", str(manifest), str(child))


def _meant(key: BindingKey, binding: Binding) -> Statement:
    """What the tag means, in the row of its past that has this digest."""
    sql = (
        "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (authority, repository, tag, digest)"
        " DO UPDATE SET last_at = max(last_at, excluded.last_at)"
    )
    named = (str(key.authority), key.repository, key.tag, str(binding.digest), binding.media_type, binding.size)
    return sql, (*named, binding.stored_at, binding.validated_at)


def _drops(changes: Changes) -> Iterator[Statement]:
    for key in changes.dropped_bindings:
        yield "DELETE FROM binding WHERE authority = ? AND repository = ? AND tag = ? AND accept = ?", _binding_key(key)
    for link_key in changes.dropped_links:
        yield "DELETE FROM link WHERE authority = ? AND repository = ? AND kind = ? AND digest = ?", _link_key(link_key)
    for generic_key in changes.dropped_generics:
        yield "DELETE FROM generic WHERE authority = ? AND target = ? AND variant = ?", _generic_key(generic_key)
    for pushed in changes.pushed:
        yield from _pushed(pushed)
    for authority, repository, account in changes.withdrawn:
        sql = "DELETE FROM granted WHERE authority = ? AND repository = ? AND account = ?"
        yield sql, (str(authority), repository, account)


def _pushed(pushed: Pushed) -> Iterator[Statement]:
    where = (str(pushed.authority), pushed.repository, str(pushed.reference))
    match pushed.reference:
        case Digest():
            yield "DELETE FROM binding WHERE authority = ? AND repository = ? AND digest = ?", where
            yield "DELETE FROM link WHERE authority = ? AND repository = ? AND digest = ?", where
        case str():
            yield "DELETE FROM binding WHERE authority = ? AND repository = ? AND tag = ?", where
        case None:
            pass
        case _:
            assert_never(pushed.reference)
    # A repository's name has no character that means something in a GLOB.
    for target in (f"/v2/{pushed.repository}/tags/*", f"/v2/{pushed.repository}/referrers/*", "/v2/_catalog*"):
        yield "DELETE FROM generic WHERE authority = ? AND target GLOB ?", (str(pushed.authority), target)


def read_binding(tables: Tables, key: BindingKey) -> Binding | None:
    """What the tag meant."""
    row = tables.one(
        "SELECT digest, media_type, size, fields, stored_at, validated_at, gone_at, account FROM binding"
        " WHERE authority = ? AND repository = ? AND tag = ? AND accept = ?",
        *_binding_key(key),
    )
    if row is None:
        return None
    digest, media_type, size, fields, stored_at, validated_at, gone_at, account = row
    return Binding(
        parse_digest(_text(digest)),
        _text(media_type),
        _whole(size),
        _load(fields),
        _seconds(stored_at),
        _seconds(validated_at),
        None if gone_at is None else _seconds(gone_at),
        _text(account),
    )


def read_link(tables: Tables, key: LinkKey) -> Link | None:
    """What the registry said of this digest under this name."""
    row = tables.one(
        "SELECT media_type, size, fields, checked_at, proof FROM link"
        " WHERE authority = ? AND repository = ? AND kind = ? AND digest = ?",
        *_link_key(key),
    )
    if row is None:
        return None
    media_type, size, fields, checked_at, proof = row
    return Link(_text(media_type), _whole(size), _load(fields), _seconds(checked_at), _text(proof))


def read_generic(tables: Tables, key: GenericKey) -> Generic | None:
    """The stored answer for this target."""
    row = tables.one(
        "SELECT digest, size, fields, stored_at, validated_at FROM generic"
        " WHERE authority = ? AND target = ? AND variant = ?",
        *_generic_key(key),
    )
    return None if row is None else _read_generic(row)


def read_variants(tables: Tables, authority: Authority, target: str) -> dict[GenericKey, Generic]:
    """All stored answers for this target."""
    found = tables.each(
        "SELECT variant, digest, size, fields, stored_at, validated_at FROM generic WHERE authority = ? AND target = ?",
        str(authority),
        target,
    )
    return {GenericKey(authority, target, _text(variant)): _read_generic(row) for variant, *row in found}


def read_linked_in(tables: Tables, authority: Authority, digest: Digest) -> bool:
    """Whether this authority gave the digest in any repository, under any kind."""
    sql = "SELECT 1 FROM link WHERE authority = ? AND digest = ? LIMIT 1"
    return tables.one(sql, str(authority), str(digest)) is not None


def read_granted(tables: Tables, authority: Authority, repository: str, *accounts: str) -> float | None:
    """When one of the accounts of these labels last read the repository."""
    marks = ", ".join("?" * len(accounts))
    sql = f"SELECT max(checked_at) FROM granted WHERE authority = ? AND repository = ? AND account IN ({marks})"  # noqa: S608
    (at,) = tables.one(sql, str(authority), repository, *accounts) or (None,)
    return None if at is None else _seconds(at)


def read_grants(
    tables: Tables, authority: Authority | None, repository: str, limit: int
) -> tuple[tuple[Authority, str, str, float], ...]:
    """Where which account, by its label, may read, and when it last did; at most `limit` rows."""
    sql = (
        "SELECT authority, repository, account, checked_at FROM granted"
        " WHERE ? IN ('', authority) AND ? IN ('', repository) ORDER BY authority, repository, account LIMIT ?"
    )
    found = tables.each(sql, str(authority or ""), repository, limit)
    return tuple(
        (parse_authority(_text(one)), _text(name), _text(whose), _seconds(at)) for one, name, whose, at in found
    )


def read_challenges(tables: Tables) -> dict[Authority, Challenge]:
    """How each authority asks for credentials."""
    found = tables.each("SELECT authority, scheme, realm, service FROM challenge")
    return {
        parse_authority(_text(authority)): Challenge(_text(scheme), _text(realm), _text(service))
        for authority, scheme, realm, service in found
    }


# A row outlives `inactive` while the content that it names does: bytes in use keep their meaning.
_UNUSED = "NOT EXISTS (SELECT 1 FROM content c WHERE c.digest = t.digest)"
_AGEING = {
    "binding": f"t.validated_at < ? AND {_UNUSED}",
    "link": f"t.checked_at < ? AND {_UNUSED}",
    "generic": f"t.validated_at < ? AND {_UNUSED}",
    "history": f"t.last_at < ? AND {_UNUSED}",
    "granted": "t.checked_at < ? AND NOT EXISTS"
    " (SELECT 1 FROM link l WHERE l.authority = t.authority AND l.repository = t.repository)",
}
Pruned = dict[str, int]


def prune(tables: Tables, before: float, done: Pruned, limit: int) -> Pruned:
    """Forget what nobody validated since `before` and whose content is gone.

    Looks at `limit` rows of each table, behind those that were `done`; returns how far it came, and begins again
    at the end.
    """
    came: Pruned = {}
    with tables.transaction():
        for table, condition in _AGEING.items():
            start = done.get(table, 0)
            some = f"SELECT rowid FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608 -- our own words
            count, last = tables.one(f"SELECT count(*), max(rowid) FROM ({some})", start, limit) or (0, 0)  # noqa: S608
            old = f"SELECT t.rowid FROM {table} t WHERE t.rowid > ? AND t.rowid <= ? AND {condition}"  # noqa: S608
            tables.change(f"DELETE FROM {table} WHERE rowid IN ({old})", start, last, before)  # noqa: S608
            came[table] = 0 if _whole(count) < limit else _whole(last)
    return came


def _binding_key(key: BindingKey) -> tuple[Value, ...]:
    return str(key.authority), key.repository, key.tag, key.accept


def _link_key(key: LinkKey) -> tuple[Value, ...]:
    return str(key.authority), key.repository, str(key.kind), str(key.digest)


def _generic_key(key: GenericKey) -> tuple[Value, ...]:
    return str(key.authority), key.target, key.variant


def _binding(row: Binding) -> tuple[Value, ...]:
    times = (row.stored_at, row.validated_at, row.gone_at)
    return str(row.digest), row.media_type, row.size, _dump(row.fields), *times, row.account


def _read_generic(row: Sequence[Value]) -> Generic:
    digest, size, fields, stored_at, validated_at = row
    return Generic(
        parse_digest(_text(digest)), _whole(size), _load(fields), _seconds(stored_at), _seconds(validated_at)
    )


def _generic(row: Generic) -> tuple[Value, ...]:
    return str(row.digest), row.size, _dump(row.fields), row.stored_at, row.validated_at


def _put(table: str, *values: Value) -> Statement:
    marks = ", ".join("?" * len(values))
    return f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values  # noqa: S608 -- our own words


def _dump(fields: Fields) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _load(value: Value) -> Fields:
    return tuple((str(name), str(text)) for name, text in json.loads(_text(value)))


def _text(value: Value) -> str:
    return str(value)


def _whole(value: Value) -> int:
    return int(value or 0)


def _seconds(value: Value) -> float:
    return float(value or 0)
