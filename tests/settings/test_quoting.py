"""Quotes in files of variables: what docker hands on literally means what its writer meant."""

import pytest

from regproxy.settings.quoting import unquoted


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("quay.io ghcr.io", "quay.io ghcr.io"),
        ('"quay.io ghcr.io"', "quay.io ghcr.io"),
        ("'quay.io'", "quay.io"),
        (' "quay.io" ', "quay.io"),
        ('"quay.io" # Docker Hub is there already', "quay.io"),
        ('"quay.io"  # it\'s "built-in"', "quay.io"),
        ('a:b:"c"', 'a:b:"c"'),
        ('"a:b:c', '"a:b:c'),
        ('"a" "b"', 'a" "b'),
        ('"two\nlines"', "two\nlines"),
        ('"a"#b', '"a"#b'),
        ('""', ""),
        ('"', '"'),
        ("", ""),
    ],
)
def test_quotes_around_a_value_of_the_seed_are_none_of_it(given: str, meant: str) -> None:
    assert unquoted({"REGISTRIES": given}) == {"REGISTRIES": meant}


def test_other_variables_stay_as_they_are() -> None:
    environ = {"PATH": '"/bin"', "REGPROXY_POLICY": "'x'"}
    assert unquoted(environ) == environ
