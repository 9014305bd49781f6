"""The command line: exit codes 0 ok, 1 findings or failure, 2 usage."""

import click

from regproxy import __version__
from regproxy.cli.deferred import Deferred, named

_COMMANDS = (
    Deferred("serve", "serve:serve_command", "Run the proxy."),
    Deferred("policy", "policy:policy_group", "Check and format policies, and ask what they would do."),
    Deferred("ca", "ca:ca_group", "The CA that clients trust."),
    Deferred("cache", "cache:cache_group", "The images that are kept, and the cache on disk."),
    Deferred("prefetch", "prefetch:prefetch_group", "Images fetched whole before a client asks."),
    Deferred("status", "status:status_command", "What runs, how full the cache is, and what it saved."),
    Deferred("top", "status:top_command", "The status again and again, with rates."),
    Deferred("ratelimit", "status:ratelimit_command", "Pulls that registries say are left, by account."),
    Deferred("upstream", "upstream:upstream_group", "The registries as the running proxy sees them."),
    Deferred("grants", "grants:grants_group", "Who may be served what is stored."),
    Deferred("trace", "trace:trace_command", "The last exchanges about an image."),
    Deferred("hooks", "hooks:hooks_command", "What to tell registries, so that pushes are seen at once."),
    Deferred("metrics", "metrics:metrics_command", "What /metrics serves, and what it means."),
    Deferred("setup", "setup:setup_command", "What lets a machine or cluster pull through the proxy."),
    Deferred("completion", "completion:completion_command", "What lets a shell complete commands and flags."),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, commands=named(_COMMANDS))
@click.version_option(__version__, prog_name="regproxy")
def main() -> None:
    """A caching HTTPS_PROXY for container images."""
