"""`regproxy policy`: check and format policy files, and ask what they do."""

import click

from regproxy.cli.policy.check import check_command
from regproxy.cli.policy.diff import diff_command
from regproxy.cli.policy.example import example_command
from regproxy.cli.policy.explain import explain_command
from regproxy.cli.policy.explain_code import explain_code_command
from regproxy.cli.policy.fmt import fmt_command
from regproxy.cli.policy.from_env import from_env_command
from regproxy.cli.policy.reload import reload_command
from regproxy.cli.policy.schema import schema_command
from regproxy.cli.policy.show import show_command
from regproxy.cli.policy.test import test_command


@click.group("policy")
def policy_group() -> None:
    """The policy: check and format it, and ask it what it would do."""


policy_group.add_command(check_command)
policy_group.add_command(example_command)
policy_group.add_command(explain_command)
policy_group.add_command(diff_command)
policy_group.add_command(explain_code_command)
policy_group.add_command(from_env_command)
policy_group.add_command(test_command)
policy_group.add_command(fmt_command)
policy_group.add_command(schema_command)
policy_group.add_command(show_command)
policy_group.add_command(reload_command)
