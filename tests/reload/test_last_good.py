"""The texts of the last policy that ran, on disk."""

from pathlib import Path

import pytest

from regproxy.reload.last_good import keep, last_good
from regproxy.settings.choose import load_file
from tests.reload.stage import BROKEN, tiers


def write(folder: Path, tier: str) -> Path:
    path = folder / "corp.policy"
    (folder / "conf.d").mkdir(exist_ok=True)
    (folder / "conf.d" / "tiers.policy").write_text(f"tier {tier} {{ match any; pass; }}\n")
    path.write_text('policy 1;\ninclude "conf.d/*.policy";\n')
    return path


def test_what_was_kept_loads_to_the_same_policy(tmp_path: Path) -> None:
    kept = tmp_path / "last-good"
    checksum = ""
    for tier in ("first", "second", "second", "first"):
        loaded = load_file(write(tmp_path, tier))
        keep(kept, loaded)
        again = last_good(kept, load_file)
        assert loaded.policy is not None
        assert again.policy is not None
        checksum = again.policy.checksum
        assert checksum == loaded.policy.checksum
        assert [source.text for source in again.sources] == [source.text for source in loaded.sources]
    assert sorted(path.name for path in kept.iterdir()) == sorted([checksum[:16], "current"])


def test_nobody_else_reads_it_and_no_secret_or_ca_is_in_it(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("canary")
    path = write(tmp_path, "only")
    path.write_text(path.read_text() + f'registry r {{ hosts "r.test"; tls {{ ca file "{ca}"; }} }}\n')
    keep(tmp_path / "last-good", load_file(path))
    files = [file for file in (tmp_path / "last-good").rglob("*") if file.is_file() and not file.is_symlink()]
    assert sorted(file.name for file in files) == ["corp.policy", "tiers.policy"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert {file.parent.stat().st_mode & 0o777 for file in files} == {0o700}


def test_a_policy_that_does_not_load_is_never_kept(tmp_path: Path) -> None:
    keep(tmp_path / "last-good", load_file(write(tmp_path, "good")))
    (tmp_path / "broken.policy").write_text(BROKEN)
    keep(tmp_path / "last-good", load_file(tmp_path / "broken.policy"))
    again = last_good(tmp_path / "last-good", load_file)
    assert again.policy is not None
    assert again.policy.tiers[0].name == "good"


def test_what_an_interrupted_keeping_left_is_written_anew(tmp_path: Path) -> None:
    kept = tmp_path / "last-good"
    loaded = load_file(write(tmp_path, "good"))
    assert loaded.policy is not None
    half = kept / f"{loaded.policy.checksum[:16]}.new"
    half.mkdir(parents=True)
    (half / "corp.policy").write_text("policy")
    (kept / "current.new").symlink_to("nowhere")
    keep(kept, loaded)
    again = last_good(kept, load_file)
    assert again.policy is not None
    assert sorted(path.name for path in kept.iterdir()) == sorted([loaded.policy.checksum[:16], "current"])


def test_none_and_a_changed_one_are_refused(tmp_path: Path) -> None:
    kept = tmp_path / "last-good"
    with pytest.raises(FileNotFoundError, match="there is none to resume"):
        last_good(kept, load_file)
    keep(kept, load_file(write(tmp_path, "good")))
    main = kept / (kept / "current").readlink()
    main.write_text(tiers("forged"))
    with pytest.raises(ValueError, match="is not what once ran"):
        last_good(kept, load_file)


def test_the_same_texts_under_another_name_are_the_last_good_ones(tmp_path: Path) -> None:
    kept = tmp_path / "last-good"
    path = write(tmp_path, "good")
    keep(kept, load_file(path))
    path.rename(path.with_name("moved.policy"))
    keep(kept, load_file(path.with_name("moved.policy")))
    again = last_good(kept, load_file)
    assert again.policy is not None
    assert Path(again.sources[0].name).name == "moved.policy"


@pytest.mark.parametrize("name", ["corp.policy", "conf.d/tiers.policy", "conf.d/more.policy"])
def test_what_was_changed_is_mended_when_the_policy_runs_again(tmp_path: Path, name: str) -> None:
    kept = tmp_path / "last-good"
    loaded = load_file(write(tmp_path, "good"))
    keep(kept, loaded)
    ((kept / "current").resolve().parent / name).write_text("tier forged { match any; pass; }\n")
    keep(kept, loaded)
    again = last_good(kept, load_file)
    assert [source.text for source in again.sources] == [source.text for source in loaded.sources]
