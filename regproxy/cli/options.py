"""Options that many commands share."""

from pathlib import Path

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
cache_dir_option = click.option(
    "--cache-dir",
    type=click.Path(path_type=Path),
    envvar="REGPROXY_CACHE_DIR",
    help="The cache. [default: /docker_mirror_cache where mounted, else your cache directory]",
)
