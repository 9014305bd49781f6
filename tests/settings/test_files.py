"""Which files a policy may take in, and what becomes of the others."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regproxy.policy.diagnostic import Diagnostic, render
from regproxy.policy.include import MAX_TEXT
from regproxy.settings.choose import load_file
from regproxy.settings.files import MAX_LISTED, MAX_POLICY, PolicyFiles

MAIN = 'policy 1;\ninclude "parts/*.policy";\ntier rest { match any; pass; }\n'


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def tier(name: str) -> str:
    return f'tier {name} {{ match repo is "{name}"; pass; }}\n'


def test_files_of_a_folder_come_in_the_order_of_their_names_where_the_include_stands(tmp_path: Path) -> None:
    main = write(tmp_path / "main.policy", MAIN)
    for name in ("20-b", "10-a", "30-c"):
        write(tmp_path / "parts" / f"{name}.policy", tier(name[3:]))
    loaded = load_file(main)
    assert loaded.policy is not None
    assert [one.name for one in loaded.policy.tiers] == ["a", "b", "c", "rest"]
    assert [Path(source.name).name for source in loaded.sources] == [
        "main.policy", "10-a.policy", "20-b.policy", "30-c.policy",
    ]  # fmt: skip
    assert loaded.files == {source.name for source in loaded.sources}


def test_a_list_of_one_file_is_that_file(tmp_path: Path) -> None:
    main = write(tmp_path / "main.policy", 'policy 1;\ninclude ["more.policy"];\n')
    write(tmp_path / "more.policy", tier("more"))
    loaded = load_file(main)
    assert loaded.policy is not None
    assert [one.name for one in loaded.policy.tiers] == ["more"]


def test_hidden_files_and_files_with_other_names_are_left_out(tmp_path: Path) -> None:
    main = write(tmp_path / "main.policy", MAIN)
    write(tmp_path / "parts" / "a.policy", tier("a"))
    for name in (".a.policy", "a.policy~", "b.txt"):
        write(tmp_path / "parts" / name, "not a policy {")
    loaded = load_file(main)
    assert loaded.policy is not None
    assert [one.name for one in loaded.policy.tiers] == ["a", "rest"]


def test_the_links_of_a_mounted_config_map_are_followed(tmp_path: Path) -> None:
    version = tmp_path / "..2026_11_25"
    write(version / "main.policy", 'policy 1;\ninclude "more.policy";\n')
    write(version / "more.policy", tier("more"))
    (tmp_path / "..data").symlink_to(version.name)
    for name in ("main.policy", "more.policy"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    loaded = load_file(tmp_path / "main.policy")
    assert loaded.policy is not None
    assert [one.name for one in loaded.policy.tiers] == ["more"]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("../secret.policy", "lies outside the policy's folder"),
        ("link.policy", "lies outside the policy's folder"),
        ("../*.policy", "lies outside the policy's folder"),
        ("pipe.policy", "it is not a regular file"),
        ("folder.policy", "Is a directory"),
        ("none.policy", "No such file"),
        ("/etc/hostname", "must be a path relative to"),
        ("", "must be a path relative to"),
        ("a\0b", "must be a path relative to"),
        ("**.policy", "may have one `*`"),
        ("*/a.policy", "may have one `*`"),
        ("nowhere/*.policy", "cannot list"),
    ],
)
def test_what_cannot_be_included_is_refused_in_a_sentence(tmp_path: Path, pattern: str, said: str) -> None:
    root = tmp_path / "root"
    main = write(root / "main.policy", "policy 1;\n")
    write(tmp_path / "secret.policy", tier("secret"))
    (root / "link.policy").symlink_to("../secret.policy")
    os.mkfifo(root / "pipe.policy")
    (root / "folder.policy").mkdir()
    with pytest.raises(ValueError, match=said.replace("*", r"\*")):
        PolicyFiles(main).include(str(main), pattern)


def test_a_policy_that_is_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "main.policy")
    with pytest.raises(OSError, match="it is not a regular file"):
        load_file(tmp_path / "main.policy")


@pytest.mark.parametrize(("content", "code"), [(b"#" * (MAX_POLICY + 1), "RP009"), (b"# \xff", "RP008")])
def test_an_included_file_that_is_no_text_is_a_finding_in_that_file(tmp_path: Path, content: bytes, code: str) -> None:
    main = write(tmp_path / "main.policy", 'policy 1;\ninclude "a.policy";\n')
    (tmp_path / "a.policy").write_bytes(content)
    (found,) = PolicyFiles(main).include(str(main), "a.policy")
    assert isinstance(found, Diagnostic)
    assert (found.code, Path(found.span.source.name).name) == (code, "a.policy")
    assert [one.code for one in load_file(main).errors] == [code]


def test_a_folder_of_too_many_files_is_refused(tmp_path: Path) -> None:
    main = write(tmp_path / "main.policy", MAIN)
    for number in range(70):
        write(tmp_path / "parts" / f"{number:02}.policy", tier(f"t{number}"))
    (found,) = {one.sentence for one in load_file(main).errors}
    assert found == "more than 64 files"


def test_a_folder_that_holds_more_than_policies_is_not_listed_to_its_end(tmp_path: Path) -> None:
    main = write(tmp_path / "main.policy", MAIN)
    (tmp_path / "parts").mkdir()
    for number in range(MAX_LISTED + 1):
        (tmp_path / "parts" / f"{number}.log").touch()
    assert [one.sentence for one in load_file(main).errors] == [f"{tmp_path / 'parts'} holds more than 1000 files"]


def test_files_that_are_too_much_together_are_refused(tmp_path: Path) -> None:
    main = write(tmp_path / "main.policy", MAIN)
    for name in "abc":
        write(tmp_path / "parts" / f"{name}.policy", "#" * (MAX_TEXT // 3))
    assert [one.sentence for one in load_file(main).errors] == ["the files have more than 2,048 KiB together"]


def test_what_is_refused_is_closed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("folder", "pipe", "none"):
        with pytest.raises(OSError, match="cannot read the policy"):
            PolicyFiles(tmp_path / name).main()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@given(st.binary(max_size=2000))
@settings(max_examples=100, deadline=None)
def test_no_bytes_break_it(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        main = Path(directory) / "main.policy"
        main.write_bytes(content)
        loaded = load_file(main)
    assert all(render(found) for found in loaded.diagnostics)
    assert loaded.policy is not None or loaded.errors
