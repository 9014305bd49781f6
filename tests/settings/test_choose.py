"""Which policy runs, and the sentence that says so."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from regproxy.policy.diagnostic import render
from regproxy.settings.choose import choose_policy
from regproxy.settings.files import MAX_POLICY

GOOD = "policy 1;\ntier a { match any; pass; }\n"


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "policy: default (packaged); name another with --policy"),
        ({"CACHE_MAX_SIZE": "100g"}, "policy: default (packaged), with CACHE_MAX_SIZE from the environment"),
        (
            {"CACHE_MAX_SIZE": "100g", "CACHE_INACTIVE": "1d"},
            "policy: default (packaged), with CACHE_MAX_SIZE and CACHE_INACTIVE from the environment",
        ),
        (
            {"REGISTRIES": "quay.io", "MANIFEST_CACHE_PRIMARY_TIME": "1m"},
            "policy: seed (from REGISTRIES, MANIFEST_CACHE_PRIMARY_TIME); manifest cache off because "
            'ENABLE_MANIFEST_CACHE is not "true"',
        ),
        (
            {"ENABLE_MANIFEST_CACHE": "true"},
            "policy: seed (from ENABLE_MANIFEST_CACHE); manifest cache on, with the seed's lifetimes; asking whether "
            "a tag moved is free here, so consider the default",
        ),
    ],
)
def test_the_sentence_says_which_policy_runs_and_why(environ: Mapping[str, str], sentence: str) -> None:
    chosen = choose_policy(None, environ)
    assert chosen.loaded.policy is not None
    assert chosen.sentence == sentence


def test_a_size_of_the_environment_overlays_the_default() -> None:
    plain = choose_policy(None, {}).loaded.policy
    sized = choose_policy(None, {"CACHE_MAX_SIZE": "100g"}).loaded.policy
    aged = choose_policy(None, {"CACHE_INACTIVE": "1M"}).loaded.policy
    assert plain is not None
    assert sized is not None
    assert aged is not None
    assert (sized.cache.size, sized.cache.inactive) == (100 * 1024**3, plain.cache.inactive)
    assert (aged.cache.size, aged.cache.inactive) == (plain.cache.size, 30 * 86400.0)
    assert [tier.name for tier in sized.tiers] == [tier.name for tier in plain.tiers]


def test_time_outs_and_trust_of_the_environment_overlay_the_default() -> None:
    chosen = choose_policy(None, {"VERIFY_SSL": "false", "PROXY_CONNECT_TIMEOUT": "20s"})
    assert chosen.sentence.endswith("with VERIFY_SSL and PROXY_CONNECT_TIMEOUT from the environment")
    assert [warning.split()[0] for warning in chosen.warnings] == ["VERIFY_SSL"]
    assert chosen.loaded.policy is not None
    found = {(one.tls.verify, one.timeouts.connect) for one in chosen.loaded.policy.registries}
    assert found == {(False, 20.0)}


def test_a_file_decides_alone_and_each_ignored_variable_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "a.policy"
    path.write_text(GOOD)
    environ = {"REGISTRIES": "quay.io", "AUTH_REGISTRIES": "a:b:c", "CACHE_MAX_SIZE": "wrong", "ALLOW_PUSH": "true"}
    environ["VERIFY_SSL"] = "false"
    chosen = choose_policy(path, environ)
    assert chosen.sentence == f"policy: {path}"
    assert chosen.loaded.policy is not None
    assert [warning.split()[0] for warning in chosen.warnings] == list(environ)


@pytest.mark.parametrize("environ", [{"AUTH_REGISTRIES": "a:b"}, {"CACHE_INACTIVE": "x"}])
def test_a_wrong_variable_is_a_value_error(environ: Mapping[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(environ))):
        choose_policy(None, environ)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^cannot read the policy .*missing\.policy: No such file"):
        choose_policy(tmp_path / "missing.policy", {})
    with pytest.raises(OSError, match="Is a directory"):
        choose_policy(tmp_path, {})


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"policy 1;\n# caf\xe9\n", "RP008", ":2:6"),
        (b"#" * (MAX_POLICY + 1), "RP009", ":1:1"),
        (b"\x00\xff", "RP008", ":1:2"),
    ],
)
def test_a_file_that_is_no_text_is_a_finding(tmp_path: Path, content: bytes, code: str, place: str) -> None:
    path = tmp_path / "a.policy"
    path.write_bytes(content)
    loaded = choose_policy(path, {}).loaded
    assert loaded.policy is None
    assert [found.code for found in loaded.diagnostics] == [code]
    assert f"{path}{place}" in render(loaded.diagnostics[0])


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf" + GOOD.encode(), GOOD.replace("\n", "\r\n").encode()])
def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.policy"
    path.write_bytes(content)
    assert choose_policy(path, {}).loaded.policy is not None


def test_a_file_may_include_what_is_packaged(tmp_path: Path) -> None:
    path = tmp_path / "a.policy"
    path.write_text('policy 1; include known "registries";')
    policy = choose_policy(path, {}).loaded.policy
    assert policy is not None
    assert "docker-hub" in {block.name for block in policy.registries}
