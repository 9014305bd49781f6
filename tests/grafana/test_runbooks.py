"""The pages for who is paged: what they name is there, panels, commands and other pages."""

import re
from pathlib import Path

import pytest

from tests.grafana.shipped import ROOT, alerts, panels
from tests.test_readme import ours, unknown_in

PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
SECTIONS = ["## What it means", "## What to look at", "## What to do"]
# What can be typed on the machine at night, as it stands.
RUN = re.compile(r"(regproxy [a-z]|curl |df |du |dmesg|journalctl |systemctl |docker ps|kubectl |top |ls |ss |getent )")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert {page.stem for page in PAGES} == set(alerts())


@every_page
def test_a_page_says_what_it_means_what_to_look_at_and_what_to_do(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n\n{alerts()[page.stem]['annotations']['summary']}\n")
    assert re.findall(r"^## .*$", text, re.MULTILINE) == SECTIONS


@every_page
def test_a_page_names_panels_that_a_dashboard_has(page: Path) -> None:
    titles = {panel.title for panel in [*panels(), *panels(logs=True)]}
    named = {" ".join(title.split()) for title in re.findall(r"\*([A-Z][^*]+\?)\*", page.read_text(encoding="utf-8"))}
    assert named
    assert named <= titles


@every_page
def test_a_page_names_commands_and_pages_that_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    spans = re.findall(r"`(regproxy [^`]*)`", text)
    assert {span: unknown for span in spans if (unknown := unknown_in(ours(span) or []))} == {}
    assert {link for link in re.findall(r"\]\(([^)]+)\)", text) if not (page.parent / link).exists()} == set()


@every_page
def test_a_page_says_what_to_run(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [span for span in re.findall(r"`([^`\n]+)`", text) if RUN.match(span)]
