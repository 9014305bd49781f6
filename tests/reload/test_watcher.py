"""When files change: links that are swapped, texts half written, files that are gone for a moment, and SIGHUP."""

import os
from pathlib import Path

from regproxy.reload.look import Look
from regproxy.reload.watcher import Watcher
from tests.reload.stage import BROKEN, Stage, play, tiers


def test_an_edited_file_runs_and_untouched_ones_cause_nothing(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.looked()
        assert stage.events == []
        stage.write(tiers("second"))
        await stage.told(lambda: stage.results != [], "the new policy")
        await stage.looked()
        assert stage.tier == "second"
        assert [(event.result, event.trigger) for event in stage.reloads] == [("success", "file")]

    play(story, Stage(tmp_path))


def test_kubernetes_swaps_a_link_above_the_files(tmp_path: Path) -> None:
    def publish(version: str) -> None:
        """What the kubelet does: a new folder, then `..data` renamed over the old link."""
        folder = tmp_path / f"..{version}"
        folder.mkdir()
        (folder / "test.policy").write_text('policy 1;\ninclude "parts/*.policy";\n')
        (folder / "parts").mkdir()
        (folder / "parts" / "tiers.policy").write_text(tiers(version).removeprefix("policy 1;\n"))
        link = tmp_path / "..data_tmp"
        link.symlink_to(folder.name)
        link.replace(tmp_path / "..data")

    publish("first")
    (tmp_path / "test.policy").symlink_to("..data/test.policy")
    (tmp_path / "parts").symlink_to("..data/parts")

    async def story(stage: Stage) -> None:
        assert stage.tier == "first"
        publish("second")
        await stage.told(lambda: stage.results == ["success"], "the new version")
        assert stage.tier == "second"
        publish("third")
        await stage.told(lambda: stage.results == ["success", "success"], "the one after it")
        assert stage.tier == "third"

    play(story, Stage(tmp_path))


def test_a_file_that_is_still_being_written_waits_for_its_end(tmp_path: Path) -> None:
    """Each line would do as the end of a good policy, but at each look there is one more."""
    lines = [f"tier t{number} {{ match any; pass; }}\n" for number in range(20)]
    text = tiers("second") + "".join(lines)

    async def story(stage: Stage) -> None:
        look = stage.reloader.look
        rest = iter(lines)

        async def look_while_it_grows() -> Look:
            with stage.path.open("a") as file:
                file.write(next(rest, ""))
            return await look()

        stage.path.write_text(tiers("second"))
        stage.reloader.look = look_while_it_grows  # type: ignore[method-assign]
        await stage.told(lambda: stage.results != [], "the whole file")
        assert stage.results == ["success"]
        assert stage.path.read_text() == text
        assert len(stage.active.policy.tiers) == 1 + len(lines)

    play(story, Stage(tmp_path))


def test_a_file_that_is_gone_for_a_moment_is_back_with_the_same_policy(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        before = stage.active.policy
        aside = stage.path.with_name("aside")
        stage.path.rename(aside)
        await stage.told(lambda: stage.results == ["failure"], "the missing file is told")
        await stage.looked()
        assert stage.results == ["failure"]
        aside.rename(stage.path)
        await stage.told(lambda: stage.results == ["failure", "unchanged"], "all is well again")
        assert stage.active.policy is before

    play(story, Stage(tmp_path))


def test_a_pipe_in_its_place_holds_up_nothing(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.path.unlink()
        os.mkfifo(stage.path)
        await stage.told(lambda: stage.results == ["failure"], "the pipe is told")
        stage.watcher.hang_up()
        await stage.told(lambda: stage.results == ["failure", "failure"], "a signal is answered")
        stage.write(tiers("second"))
        await stage.told(lambda: stage.tier == "second", "a file again")

    play(story, Stage(tmp_path))


def test_a_broken_text_is_tried_once_and_its_repair_at_once(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.write(BROKEN)
        await stage.told(lambda: stage.results == ["failure"], "the broken text is told")
        await stage.looked()
        assert stage.results == ["failure"]
        stage.write(tiers("second"))
        await stage.told(lambda: stage.tier == "second", "the repaired one")

    play(story, Stage(tmp_path))


def test_a_file_more_in_a_folder_of_includes_counts(tmp_path: Path) -> None:
    parts = tmp_path / "conf.d"
    parts.mkdir()
    (parts / "20-rest.policy").write_text("tier rest { match any; pass; }\n")

    async def story(stage: Stage) -> None:
        assert stage.tier == "rest"
        (parts / "10-first.policy").write_text("tier before { match any; pass; }\n")
        await stage.told(lambda: stage.tier == "before", "the new file")
        (parts / "10-first.policy").write_text("tier befo")
        await stage.told(lambda: "failure" in stage.results, "its broken text")
        assert stage.tier == "before"
        (parts / "10-first.policy").unlink()
        await stage.told(lambda: stage.tier == "rest", "the end of the new file")

    play(story, Stage(tmp_path, 'policy 1;\ninclude "conf.d/*.policy";\n'))


def test_an_include_that_was_missing_is_noticed_when_it_comes(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.write('policy 1;\ninclude "part.policy";\n')
        await stage.told(lambda: stage.results == ["failure"], "the missing include is told")
        (tmp_path / "part.policy").write_text("tier part { match any; pass; }\n")
        await stage.told(lambda: stage.tier == "part", "the include")

    play(story, Stage(tmp_path))


def test_a_secret_that_was_missing_is_noticed_when_it_comes(tmp_path: Path) -> None:
    secret = tmp_path / "proxy"
    block = f'registry r {{ hosts "r.example"; upstream {{ proxy file "{secret}"; }} }}\n'

    async def story(stage: Stage) -> None:
        stage.write(tiers("second") + block)
        await stage.told(lambda: stage.results == ["failure"], "the missing secret is told")
        secret.write_text("http://proxy.example:3128\n")
        await stage.told(lambda: stage.tier == "second", "the secret")

    play(story, Stage(tmp_path))


def test_sighup_does_not_wait_for_the_next_look(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.write(tiers("second"))
        for _ in range(3):
            stage.watcher.hang_up()
        await stage.told(lambda: stage.results != [], "the new policy")
        assert stage.tier == "second"
        assert [event.trigger for event in stage.reloads] == ["signal"]

    stage = Stage(tmp_path)
    stage.watcher = Watcher(stage.reloader, poll=3600, settle=3600)
    play(story, stage)
