"""`regproxy policy schema`: for people, for tools, for editors."""

import json

from click.testing import CliRunner, Result

from regproxy.cli.policy import policy_group
from regproxy.policy.manual import as_object, manual
from regproxy.policy.textmate import textmate


def run(*arguments: str) -> Result:
    return CliRunner().invoke(policy_group, ("schema", *arguments))


def test_the_language_is_printed_in_three_forms() -> None:
    assert run().stdout == manual()
    assert json.loads(run("--json").stdout) == as_object()
    assert json.loads(run("--textmate").stdout) == textmate()
    assert run("--json", "--textmate").exit_code == 2
