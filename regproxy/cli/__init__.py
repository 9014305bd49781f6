"""The command line: exit codes 0 ok, 1 findings or failure, 2 usage."""

import click

from regproxy import __version__
from regproxy.cli.ca import ca_group
from regproxy.cli.ca_issue import issue
from regproxy.cli.ca_rotate import rotate
from regproxy.cli.cache import cache_group
from regproxy.cli.carry import export_command, import_command
from regproxy.cli.completion import completion_command
from regproxy.cli.grants import grants_group
from regproxy.cli.hooks import hooks_command
from regproxy.cli.images import image_commands
from regproxy.cli.metrics import metrics_command
from regproxy.cli.policy import policy_group
from regproxy.cli.prefetch import prefetch_command
from regproxy.cli.serve import serve_command
from regproxy.cli.setup import setup_command
from regproxy.cli.status import ratelimit_command, status_command, top_command
from regproxy.cli.trace import trace_command
from regproxy.cli.upstream import upstream_group


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="regproxy")
def main() -> None:
    """A caching HTTPS_PROXY for container images."""


main.add_command(serve_command)
main.add_command(policy_group)
main.add_command(ca_group)
main.add_command(cache_group)
main.add_command(prefetch_command)
for command in (status_command, top_command, ratelimit_command, upstream_group):
    main.add_command(command)
for command in (*image_commands, export_command, import_command):
    cache_group.add_command(command)
main.add_command(grants_group)
main.add_command(hooks_command)
main.add_command(metrics_command)
main.add_command(setup_command)
main.add_command(completion_command)
ca_group.add_command(rotate)
ca_group.add_command(issue)
main.add_command(trace_command)
