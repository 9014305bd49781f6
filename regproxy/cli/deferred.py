"""Commands whose modules are imported when they are called: help and completion come at once."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

import click


class Deferred(click.Command):
    """Stands in a group for the command at `place`, `module:attribute` of this room; `summary` is its line there."""

    def __init__(self, name: str, place: str, summary: str) -> None:
        super().__init__(name, short_help=summary)
        self._place = place

    def command(self) -> click.Command:
        """The command itself."""
        module, _, attribute = self._place.partition(":")
        found: click.Command = getattr(import_module(f"regproxy.cli.{module}"), attribute)
        return found

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The command's own context, so that it is the one that is invoked, completed and helped with."""
        return self.command().make_context(info_name, args, parent, **extra)


def named(commands: Iterable[Deferred]) -> dict[str, click.Command]:
    """The commands of a group by their names."""
    return {str(one.name): one for one in commands}


def whole(command: click.Command) -> click.Command:
    """The command itself, with its parameters, where another stands for it."""
    return command.command() if isinstance(command, Deferred) else command
