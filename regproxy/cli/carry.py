"""`regproxy cache export|import`: images from one cache to another, and what the seed had; no proxy may run on it."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from regproxy.cli.cache import Progress, opened
from regproxy.cli.options import cache_dir_option, json_option
from regproxy.cli.policy.given import POLICY_PATH, running
from regproxy.cli.sentence import sentence
from regproxy.cli.table import rounded
from regproxy.model.address import Authority
from regproxy.model.entry import BindingKey
from regproxy.model.inventory import TagKey
from regproxy.model.manifest import Descriptor
from regproxy.model.oci import Kind, is_tag
from regproxy.policy.connecting import ConnectTable
from regproxy.policy.diagnostic import visible
from regproxy.policy.images import Image, image_name, read_image, read_images
from regproxy.policy.pattern import Pattern, compile_glob
from regproxy.settings.seed_cache import SeedFile, seed_files
from regproxy.store.intake import Carried, Intake, pieces_of
from regproxy.store.layout import Entry, Piece, Where, copied, missing, pieces, read_entries, write_entries

_DIRECTORY = click.Path(path_type=Path, file_okay=False)
policy_option = click.option(
    "--policy", type=POLICY_PATH, help="Whose registries are meant. [default: the one that would run]"
)


@click.command("export")
@click.argument("layout", type=_DIRECTORY)
@click.argument("images", required=False, default="**", metavar="[IMAGE|PATTERN]")
@cache_dir_option
@policy_option
@json_option
def export_command(layout: Path, images: str, cache_dir: Path | None, policy: Path | None, as_json: bool) -> None:
    """Write images into LAYOUT, an OCI image layout that skopeo, podman, ctr and `cache import` read.

    An image goes with the platforms that are here. Exit 1 when one lacks a layer, or none matches.
    """
    wanted = _wanted(_table(policy), images)
    entries: list[Entry] = []
    failed = False
    with opened(cache_dir) as directory:
        where = Where(directory.path, spread=True)
        for key, binding in directory.tags():
            if not wanted(key):
                continue
            found = pieces(Descriptor("manifest", binding.digest, binding.media_type, binding.size), where)
            platforms, absent = missing(found)
            if not absent:
                absent = [str(one.descriptor.digest) for one in found if one.is_here and not _copy(one, where, layout)]
            _told(image_name(key), found, platforms, absent, as_json=as_json)
            failed = failed or bool(absent)
            if not absent:
                entries.append(Entry(image_name(key), binding.digest, binding.media_type, binding.size))
        try:
            if entries:
                write_entries(layout, entries)
        except (OSError, ValueError) as error:
            raise click.ClickException(sentence(error)) from error
    if not entries and not failed:
        raise click.ClickException(
            f"nothing in the cache matches {images[:80]!r}; `regproxy cache du` says what is there"
        )
    sys.exit(1 if failed else 0)


def _wanted(table: ConnectTable, text: str) -> Callable[[TagKey], bool]:
    try:
        named = read_images(table, text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if not isinstance(named, Image):
        return named.matches
    if named.digest is not None:
        raise click.UsageError("an image is exported by its tag; write registry/repository:tag")
    return lambda key: key == named.key


def _copy(piece: Piece, where: Where, layout: Path) -> bool:
    digest = piece.descriptor.digest
    try:
        return copied(where.path(digest), layout, digest)
    except OSError as error:
        raise click.ClickException(sentence(error)) from error


def _told(name: str, found: Iterable[Piece], platforms: list[str], absent: list[str], *, as_json: bool) -> None:
    """One line for an image that was carried, or why it was not."""
    size = sum(one.descriptor.size for one in found if one.is_here)
    if as_json:
        click.echo(json.dumps({"image": name, "bytes": size, "without": platforms, "missing": absent}))
    elif absent:
        click.echo(
            f"{visible(name)}: not carried, {len(absent)} of its parts are missing or damaged: {absent[0]}", err=True
        )
    else:
        without = f"  without {', '.join(map(visible, platforms))}" if platforms else ""
        click.echo(f"{visible(name)}  {rounded(size)}{without}")


@click.command("import")
@click.argument("layout", type=_DIRECTORY, required=False)
@click.option("--from-seed", "seed", type=_DIRECTORY, help="Take over the cache of rpardini/docker-registry-proxy.")
@click.option(
    "--of",
    "origins",
    multiple=True,
    metavar="REGISTRY/PATTERN",
    help="With --from-seed: repositories that came from this registry. Repeatable; the first that fits counts.",
)
@click.option("--as", "repository", metavar="REPOSITORY", help="For images that a layout names by their tag alone.")
@click.option("--public", is_flag=True, help="Let everybody read them, without asking the registry first.")
@cache_dir_option
@policy_option
@json_option
def import_command(
    layout: Path | None,
    seed: Path | None,
    origins: tuple[str, ...],
    repository: str | None,
    public: bool,
    cache_dir: Path | None,
    policy: Path | None,
    as_json: bool,
) -> None:
    """Take images from LAYOUT, an OCI image layout, or what the seed's cache has by digest.

    Everything is hashed first. What is taken is served to those whom the registry lets read it; with --public to
    everybody, at once and without the registry. Exit 1 when an image could not be taken.
    """
    if (layout is None) == (seed is None):
        raise click.UsageError("name a LAYOUT, or the seed's cache by --from-seed")
    table = _table(policy)
    with opened(cache_dir, make=True) as directory:
        intake = Intake(directory, time.time(), public=public)
        if layout is not None:
            good = _take_layout(intake, table, layout, repository, as_json=as_json)
        elif seed is not None:
            good = _take_seed(intake, _origins(table, origins), seed, as_json=as_json)
    sys.exit(0 if good else 1)


def _take_layout(intake: Intake, table: ConnectTable, layout: Path, repository: str | None, *, as_json: bool) -> bool:
    try:
        entries = read_entries(layout)
    except (OSError, ValueError) as error:
        raise click.ClickException(sentence(error)) from error
    good = bool(entries)
    for entry in entries:
        try:
            key = _named(table, entry, repository)
        except ValueError as error:
            click.echo(f"{visible(entry.name or str(entry.digest))}: {error}", err=True)
            good = False
            continue
        found = pieces(Descriptor("manifest", entry.digest, entry.media_type, entry.size), Where(layout))
        platforms, absent = missing(found)
        if not absent:
            taken = [one for one in found if one.is_here]
            absent = [str(one.descriptor.digest) for one in taken if not _take(intake, key, one, layout)]
        if not absent:
            intake.name(BindingKey(key.authority, key.repository, key.tag), entry.digest, entry.media_type, entry.size)
            intake.open_to_all([(key.authority, key.repository)])
        _told(image_name(key), found, platforms, absent, as_json=as_json)
        good = good and not absent
    return good


def _named(table: ConnectTable, entry: Entry, repository: str | None) -> TagKey:
    """Under which name an image is taken; raises ValueError in one sentence."""
    if is_tag(entry.name) or not entry.name:
        if repository is None:
            raise ValueError("the layout says no registry; name the repository by --as")
        return read_image(table, f"{repository}:{entry.name or 'latest'}").key
    image = read_image(table, entry.name)
    if not image.key.tag:
        raise ValueError("only tags are taken, and this names a digest")
    return image.key


def _take(intake: Intake, key: TagKey, piece: Piece, layout: Path) -> bool:
    one = piece.descriptor
    kind = Kind.MANIFEST if one.role == "manifest" else Kind.BLOB
    said = one.media_type if kind is Kind.MANIFEST else "application/octet-stream"
    descriptor = os.open(Where(layout).path(one.digest), os.O_RDONLY | os.O_CLOEXEC)
    try:
        carried = Carried(key.repository, kind, one.digest, said, pieces_of(descriptor))
        return intake.take(key.authority, carried) is not None
    finally:
        os.close(descriptor)


def _origins(table: ConnectTable, texts: tuple[str, ...]) -> list[tuple[Authority, Pattern]]:
    if not texts:
        raise click.UsageError(
            "the seed's files do not say from which registry they came: say so, as in --of 'docker.io/library/*'"
        )
    try:
        return [_origin(table, text) for text in texts]
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _origin(table: ConnectTable, text: str) -> tuple[Authority, Pattern]:
    host, _, glob = text.partition("/")
    return read_image(table, f"{host}/any/image:tag").key.authority, compile_glob(glob or "**")


def _take_seed(intake: Intake, origins: list[tuple[Authority, Pattern]], seed: Path, *, as_json: bool) -> bool:
    count = {"files": 0, "bytes": 0, "taken": 0, "taken_bytes": 0, "unnamed": 0, "unnamed_bytes": 0, "wrong": 0}
    places: set[tuple[Authority, str]] = set()
    progress = Progress()
    for file in seed_files(seed):
        count["files"] += 1
        count["bytes"] += file.size
        progress.read(file.size)
        authority = next((one for one, pattern in origins if pattern.matches(file.repository)), None)
        if authority is None:
            count["unnamed"] += 1
            count["unnamed_bytes"] += file.size
        elif _take_file(intake, authority, file):
            count["taken"] += 1
            count["taken_bytes"] += file.size
            places.add((authority, file.repository))
        else:
            count["wrong"] += 1
            click.echo(f"{file.path}: does not hash to {file.digest}", err=True)
    progress.done()
    intake.open_to_all(places)
    if as_json:
        click.echo(json.dumps(count))
    else:
        click.echo(
            f"{count['taken']} of {count['files']} taken, {rounded(count['taken_bytes'])} of {rounded(count['bytes'])}:"
            f" {count['unnamed']} that no --of names, {count['wrong']} that are not what their digest says"
        )
    return count["taken"] > 0


def _take_file(intake: Intake, authority: Authority, file: SeedFile) -> bool:
    descriptor = file.open()
    try:
        carried = Carried(file.repository, file.kind, file.digest, file.media_type, pieces_of(descriptor))
        return intake.take(authority, carried) is not None
    finally:
        os.close(descriptor)


def _table(policy: Path | None) -> ConnectTable:
    """Which registries there are, by the policy that would run."""
    _, loaded = running(policy)
    if loaded.policy is None:
        raise click.ClickException("the policy has mistakes; `regproxy policy check` shows them")
    return loaded.policy.connecting
