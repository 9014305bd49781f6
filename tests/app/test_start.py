"""What a start begins with: the file, or with --resume the last good policy, or a refusal that says why."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from regproxy.app.former_ca import remember
from regproxy.app.start import RefusedError, Start, starting
from regproxy.reload.last_good import NAME, keep
from regproxy.settings.choose import load_file
from regproxy.settings.serve import ServeSettings
from regproxy.tls.authority import create
from regproxy.tls.directory import read_holdings

GOOD = 'policy 1;\nregistry r { hosts "registry.test"; }\ntier good { match any; pass; }\n'
BETTER = GOOD.replace("good", "better")
UNCOVERED = GOOD.replace("registry.test", "registry.example")
FAILING = GOOD + 'test "hits" { request GET "registry.test/a/b:1"; expect deny 403; }\n'
BROKEN = GOOD.replace("match", "mach")


class World:
    """A policy file, a cache directory and a CA that was made for the first policy."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "corp.policy"
        self.settings = ServeSettings(self.path, directory / "cache", directory / "ca", resume=True)
        self.path.write_text(GOOD)
        starting(self.settings, {})

    def ran(self, text: str) -> None:
        """This text ran once."""
        self.path.write_text(text)
        keep(self.settings.cache_directory / NAME, load_file(self.path))

    def start(self, text: str | None, *, resume: bool = True) -> Start:
        if text is None:
            self.path.unlink(missing_ok=True)
        else:
            self.path.write_text(text)
        start, ca = starting(replace(self.settings, resume=resume), {})
        assert ca.permits("registry.test")
        return start


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BROKEN, "corp.policy:3:"),
        (UNCOVERED, "RP310"),
        (FAILING, "RP701"),
        (None, "cannot read"),
    ],
)
def test_the_last_good_policy_stands_in_for_a_file_that_does_not_load(
    world: World, text: str | None, said: str
) -> None:
    world.ran(BETTER)
    with pytest.raises(RefusedError) as refused:
        world.start(text, resume=False)
    assert said in "\n".join(refused.value.lines)
    start = world.start(text)
    assert [tier.name for tier in start.policy.tiers] == ["better"]
    assert start.resumed
    assert start.reading is None
    assert start.sentence.startswith("policy: LAST GOOD ONE")
    assert said in start.warnings[0]
    assert "\n" not in start.warnings[0]


def test_a_file_that_loads_is_what_runs(world: World) -> None:
    world.ran(BETTER)
    start = world.start(GOOD)
    assert (start.resumed, start.sentence) == (False, f"policy: {world.path}")
    assert [tier.name for tier in start.policy.tiers] == ["good"]
    assert start.reading is not None


def test_without_a_last_good_policy_the_refusal_names_both_reasons(world: World) -> None:
    with pytest.raises(RefusedError) as refused:
        world.start(BROKEN)
    assert "corp.policy:3:" in refused.value.lines[0]
    assert "there is none to resume" in refused.value.lines[-1]


def test_a_last_good_policy_that_the_ca_no_longer_covers_is_refused(world: World) -> None:
    world.ran(UNCOVERED)
    with pytest.raises(RefusedError, match="RP310"):
        world.start(BROKEN)


def test_an_empty_ca_directory_beside_a_cache_that_was_served_is_a_lost_volume(world: World) -> None:
    fingerprint = read_holdings(world.settings.ca_directory).ca.fingerprint
    world.settings.cache_directory.mkdir()
    remember(world.settings.cache_directory, fingerprint)
    world.start(GOOD)
    shutil.rmtree(world.settings.ca_directory)
    with pytest.raises(RefusedError, match=f"served under {fingerprint} until now: mount that directory"):
        world.start(GOOD)
    assert not world.settings.ca_directory.exists(), "no other CA was made"
    create(world.settings.ca_directory, ["registry.test"], time.time())
    world.start(GOOD)
