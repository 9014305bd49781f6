"""Options of every test run: how far long counts go, from which seed chance starts, and what may run side by side."""

from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

TENTH = 0.1


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """With `-n 2`: files run side by side; but those with real clients and servers run one after the other."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "real" if _is_real(self.config.rootpath / path) else path


@cache
def _is_real(path: Path) -> bool:
    return "pytest.mark.real" in path.read_text(encoding="utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("regproxy")
    group.addoption("--soak", action="store_true", help="run long counts in full, not a tenth of them")
    group.addoption("--workers", type=int, default=1, help="how many workers the proxies of end-to-end stories have")
    group.addoption("--seed", type=int, default=1, help="where chance starts: a failure repeats under its seed")


def pytest_report_header(config: pytest.Config) -> str:
    return f"regproxy: long counts x{_scale(config):g}, seed {config.getoption('--seed')}"


def _scale(config: pytest.Config) -> float:
    return 1.0 if config.getoption("--soak") else TENTH


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> float:
    """What long counts are multiplied with: 0.1, and 1 with --soak."""
    return _scale(request.config)


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of everything random in a test."""
    return int(request.config.getoption("--seed"))
