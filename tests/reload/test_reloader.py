"""One reload: another policy runs, or the one that ran runs on and everybody is told why."""

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from regproxy.model.event import StoreFailed
from regproxy.policy.cover import uncovered
from regproxy.policy.diagnostic import Diagnostic
from regproxy.policy.load import Loaded
from regproxy.policy.policy import Policy
from regproxy.reload.reloader import MAX_SENTENCES
from regproxy.reload.result import Activated, Rejected, Unchanged, Unreadable
from tests.reload.stage import BROKEN, Stage, tiers


def reload(stage: Stage) -> Any:
    return asyncio.run(stage.reloader.reload("signal"))


def test_another_text_runs_from_the_next_request_on(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.write(tiers("second"))
    result = reload(stage)
    assert stage.tier == "second"
    assert result == Activated(stage.active.policy.checksum, (), ())
    assert [policy for policy, _ in stage.followed] == [stage.active.policy]
    (event,) = stage.reloads
    assert (event.result, event.trigger, event.checksum) == ("success", "signal", stage.active.policy.checksum)


def test_the_same_text_changes_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    before = stage.active.policy
    stage.write(tiers("first"))
    assert reload(stage) == Unchanged(before.checksum)
    assert stage.active.policy is before
    assert stage.followed == []
    assert stage.results == ["unchanged"]


def _gone(path: Path) -> None:
    path.unlink()


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _broken(path: Path) -> None:
    path.write_text(BROKEN)


def _latin(path: Path) -> None:
    path.write_bytes(b"policy 1; # Gr\xfc\xdfe\n")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _half(path: Path) -> None:
    path.write_text(tiers("second")[:30])


def _unreadable_ca(path: Path) -> None:
    ca = path.parent / "no-ca.pem"
    path.write_text(f'{tiers("second")}registry r {{ hosts "r.test"; tls {{ ca file "{ca}"; }} }}\n')


def _broken_include(path: Path) -> None:
    (path.parent / "part.policy").write_text("tier b { mach any; }\n")
    path.write_text(tiers("second") + 'include "part.policy";\n')


def _missing_include(path: Path) -> None:
    path.write_text(tiers("second") + 'include "none.policy";\n')


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (_gone, "cannot read the policy"),
        (_fifo, "it is not a regular file"),
        (_folder, "Is a directory"),
        (_broken, "test.policy:2:"),
        (_latin, "not UTF-8"),
        (_empty, "begins with its version"),
        (_half, "test.policy:2:"),
        (_unreadable_ca, "no-ca.pem: No such file"),
        (_broken_include, "part.policy:1:"),
        (_missing_include, "none.policy"),
    ],
)
def test_what_does_not_load_leaves_the_running_policy_and_says_why(
    tmp_path: Path, spoil: Callable[[Path], None], finding: str
) -> None:
    stage = Stage(tmp_path)
    before = stage.active.policy
    spoil(stage.path)
    result = reload(stage)
    assert isinstance(result, Rejected | Unreadable)
    assert stage.active.policy is before
    assert stage.followed == []
    (event,) = stage.reloads
    assert (event.result, event.checksum) == ("failure", before.checksum)
    assert finding in event.findings[0]


def test_a_registry_that_the_ca_does_not_cover_is_refused(tmp_path: Path) -> None:
    def check(policy: Policy) -> Iterable[Diagnostic]:
        return uncovered(policy, lambda name: name == "covered.test")

    stage = Stage(tmp_path, replaced={"check": check})
    stage.write(tiers("second") + 'registry a { hosts "covered.test"; }\nregistry b { hosts "other.test"; }\n')
    result = reload(stage)
    assert isinstance(result, Rejected)
    assert [diagnostic.code for diagnostic in result.diagnostics] == ["RP310"]
    assert stage.tier == "first"
    stage.write(tiers("second") + 'registry a { hosts "covered.test"; }\n')
    assert isinstance(reload(stage), Activated)
    assert stage.reloads[-1].registries == ("a",)


def test_a_ca_file_with_another_content_is_a_change(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("one")
    stage = Stage(tmp_path, f'{tiers("first")}registry r {{ hosts "r.test"; tls {{ ca file "{ca}"; }} }}\n')
    ca.write_text("two")
    assert isinstance(reload(stage), Activated)
    (_, ca_files) = stage.followed[0]
    assert set(ca_files) == {str(ca)}
    assert isinstance(reload(stage), Unchanged)


def test_a_defect_of_ours_is_a_failed_reload_and_no_more(tmp_path: Path) -> None:
    def check(_: Policy) -> Iterable[Diagnostic]:
        raise KeyError("defect")

    stage = Stage(tmp_path, replaced={"check": check})
    stage.write(tiers("second"))
    assert reload(stage) == Unreadable("KeyError: 'defect'")
    assert (stage.tier, stage.results) == ("first", ["failure"])


def test_what_is_decided_differently_is_told_within_bounds(tmp_path: Path) -> None:
    def difference(old: Policy, new: Policy) -> Iterable[str]:
        assert old.checksum == stage.active.policy.checksum != new.checksum
        assert old is not stage.active.policy, "that one belongs to the loop's thread"
        return (f"change {number}" for number in range(25))

    stage = Stage(tmp_path, replaced={"difference": difference})
    stage.write(tiers("second"))
    result = reload(stage)
    assert isinstance(result, Activated)
    assert len(result.changes) == 25
    changes = stage.reloads[0].changes
    assert (len(changes), changes[-1]) == (MAX_SENTENCES, "and 16 more")


def test_everything_slow_happens_off_the_loop_and_the_interpreter_is_left_as_it_was(tmp_path: Path) -> None:
    threads: dict[str, int] = {}
    pace: list[tuple[float, bool]] = []

    def load() -> Loaded:
        threads["load"] = threading.get_ident()
        pace.append((sys.getswitchinterval(), gc.isenabled()))
        return stage.load()

    def noted(name: str) -> Callable[..., tuple[()]]:
        def note(*_: object) -> tuple[()]:
            threads[name] = threading.get_ident()
            return ()

        return note

    steps = {name: noted(name) for name in ("check", "difference", "keep", "follow")}
    stage = Stage(tmp_path, replaced={"load": load, **steps})
    stage.write(tiers("second"))
    before = (sys.getswitchinterval(), gc.isenabled())
    reload(stage)
    loop = threading.get_ident()
    assert {name for name, thread in threads.items() if thread == loop} == {"follow"}
    assert set(threads) == {"load", "check", "difference", "keep", "follow"}
    ((interval, collecting),) = pace
    assert interval == pytest.approx(0.0005)
    assert not collecting
    assert (sys.getswitchinterval(), gc.isenabled()) == before


def test_reloads_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    under_way: list[int] = []
    most = 0

    def load() -> Loaded:
        nonlocal most
        under_way.append(1)
        most = max(most, len(under_way))
        try:
            return stage.load()
        finally:
            under_way.pop()

    stage = Stage(tmp_path, replaced={"load": load})

    async def story() -> list[Any]:
        stage.write(tiers("second"))
        return await asyncio.gather(*(stage.reloader.reload("api") for _ in range(5)))

    results = asyncio.run(story())
    assert most == 1
    assert [type(result) for result in results] == [Activated, *[Unchanged] * 4]


def test_a_disk_that_refuses_the_last_good_texts_is_told_and_the_policy_runs(tmp_path: Path) -> None:
    def keep(_: Loaded) -> None:
        raise OSError("the disk is full")

    stage = Stage(tmp_path, replaced={"keep": keep})
    stage.write(tiers("second"))
    assert isinstance(reload(stage), Activated)
    assert StoreFailed("last-good", "the disk is full") in stage.events
    assert stage.tier == "second"
