"""The packaged policies are found."""

from regproxy.settings.packaged import known_sources, packaged_source, policies_directory


def test_the_packaged_policies_are_found_by_name() -> None:
    assert (policies_directory() / "default.policy").is_file()
    assert packaged_source("default").name == "policies/default.policy"
    assert list(known_sources()) == ["registries"]
    assert known_sources()["registries"].name == "policies/known/registries.policy"
