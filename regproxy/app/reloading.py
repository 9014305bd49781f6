"""A reload as the program wires it: the same loading and checking as at start, and what follows the policy."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from regproxy.app.start import unfit
from regproxy.model.event import Event
from regproxy.policy.policy import Policy
from regproxy.rehearsal.difference import difference
from regproxy.reload.build import Steps
from regproxy.reload.last_good import NAME, keep
from regproxy.settings.choose import load_file
from regproxy.settings.serve import ServeSettings
from regproxy.tls.directory import Holdings


def reload_steps(
    settings: ServeSettings,
    path: Path,
    holdings: Callable[[], Holdings],
    follow: Callable[[Policy, Mapping[str, str]], None],
    report: Callable[[Event], None],
) -> Steps:
    """The steps of a reload of the policy at `path`; `follow` is told of the policy that runs from then on."""
    return Steps(
        main=str(path),
        load=lambda: load_file(path),
        check=lambda policy: unfit(policy, holdings(), settings.helper_directory),
        follow=follow,
        keep=lambda loaded: keep(settings.cache_directory / NAME, loaded),
        report=report,
        difference=_sentences,
    )


def _sentences(old: Policy, new: Policy) -> Iterator[str]:
    """What changes, a sentence each; also what could not be worked out."""
    found = difference(old, new)
    yield from (f"{change.subject}: {change.old} -> {change.new}" for change in found.changes)
    yield from (f"not decided: {sentence}" for sentence in found.undecided)
