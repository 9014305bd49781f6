"""The README's claims: commands and flags that exist, policies that check clean, paths that are there."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from regproxy.cli import main
from regproxy.cli.deferred import whole
from regproxy.model.secret import Origin, Secret
from regproxy.policy.diagnostic import render
from regproxy.policy.format import formatted
from regproxy.policy.include import Revealed
from regproxy.policy.load import load
from regproxy.policy.source import Source
from regproxy.rehearsal.scenarios import failures
from regproxy.settings.packaged import known_sources
from tests.policy.anysecret import AnySecret

ROOT = Path(__file__).parents[1]
SERVE, TEST = "sh deploy/serve.sh", "sh tests/run.sh"
_FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Words that end one command of a shell line.
_STOPS = {"|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1"}


class Reader(AnySecret):
    """One who reads the README and has the secrets that its policies name: one file of each kind serves for all."""

    def secret(self, origin: Origin, *, lines: bool = False) -> Revealed:
        if origin.name.endswith("htpasswd"):
            return Revealed(Secret(origin, f"runner:$2y$05${'a' * 53}"))
        return super().secret(origin, lines=lines)


@dataclass(frozen=True)
class Block:
    """One fenced block: what it is written in, its text, and the line it begins on."""

    language: str
    text: str
    line: int


PAGES = (
    "README.md",
    "SECURITY.md",
    "docs/ca.md",
    "docs/moving-from-docker-registry-proxy.md",
    "docs/policy.md",
    "docs/recipes.md",
    "docs/tutorial.md",
)


@pytest.fixture(scope="module")
def readme() -> str:
    path = ROOT / "README.md"
    assert path.is_file(), "README.md is missing"
    return path.read_text(encoding="utf-8")


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> str:
    """The README, and each page that it leads to."""
    return (ROOT / str(request.param)).read_text(encoding="utf-8")


def _blocks(readme: str, *languages: str) -> list[Block]:
    found = [Block(match[1], match[2], readme.count("\n", 0, match.start()) + 1) for match in _FENCE.finditer(readme)]
    return [block for block in found if block.language in languages]


def commands(block: Block) -> list[str]:
    """The command lines of a block, continued lines joined; in `console` those after a prompt, the rest is output."""
    lines = re.sub(r"\\\n\s*", "", block.text).splitlines()
    if block.language == "console":
        return [line[2:] for line in lines if line.startswith(("$ ", "# "))]
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def ours(line: str) -> list[str] | None:
    """The arguments that a command line gives to `regproxy`, or None where it runs something else."""
    words = shlex.split(line, comments=True)
    for at, word in enumerate(words):
        rest = words[at + 1 :]
        rest = rest[: next((index for index, one in enumerate(rest) if one in _STOPS), len(rest))]
        if word.endswith("deploy/serve.sh"):
            return ["serve", *rest]
        if word == "regproxy" or word.endswith("/regproxy"):
            if words[0] in {"docker", "podman"}:
                # The image's entry point takes flags alone as those of `serve`; a build or a stop has none.
                return (
                    (["serve", *rest] if not rest or rest[0].startswith("-") else rest) if words[1] == "run" else None
                )
            return rest
    return None


def unknown_in(arguments: list[str]) -> list[str]:
    """The commands and flags among these arguments that do not exist."""
    command: click.Command = main
    position = 0
    while isinstance(command, click.Group) and position < len(arguments) and not arguments[position].startswith("-"):
        found = command.commands.get(arguments[position])
        if found is None:
            return [arguments[position]]
        command, position = whole(found), position + 1
    with click.Context(command) as context:
        known = {
            name for parameter in command.get_params(context) for name in (*parameter.opts, *parameter.secondary_opts)
        }
    given = [word.partition("=")[0] for word in arguments[position:] if re.match(r"--?[a-z]", word)]
    return [flag for flag in given if flag not in known | {"--help", "-h"}]


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("regproxy serve --listen [::]:3128 | tee log", []),
        ("REGPROXY_CA_DIR=/x .venv/bin/regproxy ca show --json", []),
        ("sh deploy/serve.sh --ca-permit corp.example", []),
        ("docker run -p 3128:3128 -v ca:/ca regproxy --drain=5s", []),
        ("regproxy serve --lissten x", ["--lissten"]),
        ("regproxy ca destroy", ["destroy"]),
        ("docker run regproxy ca sho", ["sho"]),
    ],
)
def test_an_invented_flag_or_command_is_noticed(line: str, unknown: list[str]) -> None:
    arguments = ours(line)
    assert arguments is not None
    assert unknown_in(arguments) == unknown


def test_the_readme_starts_with_the_two_commands(readme: str) -> None:
    first = [line for block in _blocks(readme, "console", "sh") for line in commands(block)][:2]
    assert len(first) == 2, "the README has no two commands in console or sh blocks"
    assert first[0].startswith(SERVE)
    assert first[1].startswith(TEST)
    assert (ROOT / SERVE.split()[1]).is_file()
    assert (ROOT / TEST.split()[1]).is_file()


def test_every_command_of_ours_exists_with_its_flags(page: str) -> None:
    lines = [(block.line, line) for block in _blocks(page, "console", "sh") for line in commands(block)]
    spans = [
        (0, span) for span in re.findall(r"`(regproxy [^`]*)`", _prose(page)) if "|" not in span and "…" not in span
    ]
    judged = [(line, text, arguments) for line, text in (*lines, *spans) if (arguments := ours(text)) is not None]
    assert judged, "the page runs nothing of ours"
    wrong = {f"line {line}: {text}": unknown for line, text, arguments in judged if (unknown := unknown_in(arguments))}
    assert wrong == {}


def _prose(readme: str) -> str:
    return _FENCE.sub("", readme)


def test_every_variable_of_ours_is_one_that_a_flag_reads(page: str) -> None:
    read: set[str] = set()
    pending: list[click.Command] = [main]
    while pending:
        command = whole(pending.pop())
        pending += command.commands.values() if isinstance(command, click.Group) else ()
        for parameter in command.params:
            names = [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or ()
            read |= set(names)
    assert set(re.findall(r"\bREGPROXY_[A-Z_]+\b", page)) <= read


@pytest.mark.parametrize("name", ["README.md", "docs/policy.md"])
def test_every_policy_checks_clean(name: str) -> None:
    blocks = _blocks((ROOT / name).read_text(encoding="utf-8"), "policy")
    assert blocks, "the page shows no policy"
    for block in blocks:
        # A fragment gets the first statement; it may leave requests uncovered, but holds no error.
        complete = re.search(r"^policy \d", block.text, re.MULTILINE) is not None
        text = block.text if complete else f"policy 1;\n{block.text}"
        loaded = load(Source(f"{name} (block on line {block.line})", text), known_sources(), Reader())
        findings = loaded.diagnostics if complete else loaded.errors
        failed = failures(loaded.policy) if loaded.policy is not None else ()
        assert not (*findings, *failed), "\n".join(render(one) for one in (*findings, *failed))
        assert formatted(block.text) == block.text, f"line {block.line}: regproxy policy fmt"


@pytest.mark.parametrize("name", [*PAGES, "docs/README.md", "docs/how-it-works.md"])
def test_every_relative_link_leads_somewhere(name: str) -> None:
    found = re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text(encoding="utf-8"))
    targets = [(ROOT / name).parent / target.partition("#")[0] for target in found if "://" not in target]
    assert [target for target in targets if not target.exists()] == []
