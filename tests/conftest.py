"""Options of every test run: how far long counts go, from which seed chance starts, and what may run side by side."""

import pytest
from xdist.scheduler import LoadScopeScheduling

TENTH = 0.1
# Real daemons, machines and browsers, and the registries that their stories share: one at a time, in one process.
STORIES = "tests/e2e"


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """With `-n 2`: a file's tests stay together, and so do all end-to-end stories, beside which the other files run."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return STORIES if path.startswith(f"{STORIES}/") else path


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
