"""Secrets come from files and variables; what is wrong with them is said without them."""

from pathlib import Path

import pytest

from regproxy.model.secret import Origin
from regproxy.policy.load import load
from regproxy.policy.show import show
from regproxy.policy.source import Source
from regproxy.settings.files import MAX_SECRET, PolicyFiles

URL = "http://user:hunter2-Zq9@proxy.example:3128"


def policy(directory: Path, way: str) -> Source:
    text = f'policy 1;\nregistry r {{ hosts "r.example"; upstream {{ proxy {way}; }} }}\n'
    return Source(str(directory / "p.policy"), text)


def test_a_proxy_comes_from_a_file_or_a_variable_and_is_shown_by_its_origin(tmp_path: Path) -> None:
    file = tmp_path / "proxy"
    file.write_text(f"{URL}\n")
    file.chmod(0o600)
    for way in (f'file "{file}"', "env PARENT"):
        files = PolicyFiles(tmp_path / "p.policy", {"PARENT": URL})
        loaded = load(policy(tmp_path, way), {}, files)
        assert loaded.policy is not None, loaded.diagnostics
        assert loaded.diagnostics == ()
        (registry,) = loaded.policy.registries
        assert registry.proxy is not None
        assert (registry.proxy.url, str(registry.proxy.authority)) == (URL, "proxy.example:3128")
        assert f"proxy {way};" in " ".join(show(loaded.policy).split())
        assert "hunter2" not in show(loaded.policy) + repr(loaded)
        assert files.secrets == ({str(file)} if way.startswith("file") else set())


def test_a_secret_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "proxy"
    file.write_text(URL)
    file.chmod(0o644)
    loaded = load(policy(tmp_path, f'file "{file}"'), {}, PolicyFiles(tmp_path / "p.policy"))
    assert [(one.code, one.help) for one in loaded.diagnostics] == [("RP303", f"chmod o-r {file}")]
    assert loaded.policy is not None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"one\ntwo\n", "more than one line"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"x" * (MAX_SECRET + 1), "is larger than 64 KiB"),
    ],
)
def test_a_file_that_is_no_secret_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "proxy"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        PolicyFiles(tmp_path / "p.policy").secret(Origin("file", str(file)))


@pytest.mark.parametrize("url", ["hunter2", "https://hunter2@p.example:1", "http://hunter2", "http://u:hunter2@p"])
def test_what_a_wrong_secret_holds_is_not_said(tmp_path: Path, url: str) -> None:
    loaded = load(policy(tmp_path, "env PARENT"), {}, PolicyFiles(tmp_path / "p.policy", {"PARENT": url}))
    assert [one.code for one in loaded.errors] == ["RP302"]
    assert "hunter2" not in repr(loaded.diagnostics)
