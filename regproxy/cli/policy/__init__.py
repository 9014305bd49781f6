"""`regproxy policy`: check and format policy files, and ask what they do."""

import click

from regproxy.cli.deferred import Deferred, named

_COMMANDS = (
    Deferred("check", "policy.check:check_command", "Find every mistake, and what no request can reach."),
    Deferred("example", "policy.example:example_command", "Print a packaged policy, to copy and go on from."),
    Deferred("explain", "policy.explain:explain_command", "What the policy does with an image or URL, and why."),
    Deferred("diff", "policy.diff:diff_command", "What two policies do differently, with examples."),
    Deferred("explain-code", "policy.explain_code:explain_code_command", "More about a finding."),
    Deferred("from-env", "policy.from_env:from_env_command", "Print the policy that the seed's variables mean."),
    Deferred("test", "policy.test:test_command", "Run the tests that stand in policies."),
    Deferred("fmt", "policy.fmt:fmt_command", "Put policies into their one layout."),
    Deferred("schema", "policy.schema:schema_command", "Print the whole language."),
    Deferred("show", "policy.show:show_command", "Print a policy as it runs, every default written out."),
    Deferred("reload", "policy.reload:reload_command", "Let the running proxy read its policy again."),
)


@click.group("policy", commands=named(_COMMANDS))
def policy_group() -> None:
    """The policy: check and format it, and ask it what it would do."""
