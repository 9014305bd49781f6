"""The collector that spans go to: what is a URL of one, and what is told where none can be sent."""

import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from regproxy.cli import main
from regproxy.settings.otel import can_send, collector


@pytest.mark.parametrize("url", ["http://otel:4318", "https://otel.example/base/", "http://[::1]:4318"])
def test_a_collector_is_named_by_its_url(url: str) -> None:
    assert collector(url) == url


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("otel:4318", "no URL of a collector, such as http://"),
        ("grpc://otel:4317", "no URL of a collector"),
        ("http://", "no URL of a collector"),
        ("http://otel:0", "no URL of a collector"),
        ("http://otel:99999", "no URL of a collector"),
        ("http://[::1", "no URL of a collector"),
        ("http://ann:pw@otel:4318", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("http://otel:4318/?token=x", "more than a path"),
    ],
)
def test_what_is_none_is_said(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as raised:
        collector(text)
    assert "pw" not in str(raised.value)


@pytest.mark.parametrize("name", ["--otel-endpoint", "REGPROXY_OTEL_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_a_collector_without_the_extra_is_a_mistake_that_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regproxy.settings.otel._SENDER", "no_such_library.of.ours")
    assert not can_send()
    given = ([name, "http://otel:4318"], {}) if name.startswith("--") else ([], {name: "http://otel:4318"})
    ran = CliRunner().invoke(main, ["serve", *given[0]], env=given[1])
    assert ran.exit_code == 2
    assert "install regproxy[otel]" in ran.output


@pytest.mark.parametrize("module", ["regproxy.cli.serve", "regproxy.app.serve", "regproxy.app.edge"])
def test_who_wants_no_spans_does_not_even_load_their_library(module: str) -> None:
    script = f"import sys, {module}; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "[]\n"), ran.stderr
