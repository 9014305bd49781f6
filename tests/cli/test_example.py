"""`regproxy policy example`: packaged policies to copy."""

import json

from click.testing import CliRunner

from regproxy.cli.policy import policy_group
from regproxy.settings.packaged import packaged_source


def test_the_packaged_policies_are_listed_and_printed_as_they_are() -> None:
    listed = CliRunner().invoke(policy_group, ["example"]).stdout.splitlines()
    names = [line.split()[0] for line in listed]
    assert {"default", "seed", "corporate", "strict", "offline", "ci-farm", "homelab"} <= set(names)
    assert all(len(line.split()) > 3 for line in listed)
    for name in names:
        assert CliRunner().invoke(policy_group, ["example", name]).stdout == packaged_source(name).text


def test_a_program_reads_the_list_and_a_policy_as_json() -> None:
    listed = json.loads(CliRunner().invoke(policy_group, ["example", "--json"]).stdout)
    assert {"default", "seed"} <= {one["name"] for one in listed}
    told = json.loads(CliRunner().invoke(policy_group, ["example", "seed", "--json"]).stdout)
    assert told in [{**one, "text": packaged_source("seed").text} for one in listed]


def test_a_name_that_is_none_is_a_usage_error_with_a_hint() -> None:
    wrong = CliRunner().invoke(policy_group, ["example", "homlab"])
    assert (wrong.exit_code, "did you mean `homelab`?" in wrong.stderr) == (2, True)
