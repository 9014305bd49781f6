"""The seed's locations as nginx configuration: order, names, patterns and times of its nginx.conf and entrypoint.sh.

Each location answers with its tier's name. `expires` reads a time as `proxy_cache_valid` does and shows it in seconds.
"""

from collections.abc import Iterator, Mapping

from regproxy.settings.seed import TIERS

DIGEST_TIME = "60d"


def seed_locations(environ: Mapping[str, str]) -> str:
    """The locations that the seed writes for this environment, the variables pasted in unquoted as it does."""
    return "\n        ".join(_locations(environ))


def _locations(environ: Mapping[str, str]) -> Iterator[str]:
    yield 'location /v1 { return 405 "v1"; }'
    yield _location("~ ^/v2/(.*)/blobs/sha256:(.*)", "blob-by-digest", DIGEST_TIME)
    yield _location("~ ^/v2/(.*)/manifests/sha256:(.*)", "manifest-by-digest", DIGEST_TIME)
    if environ.get("ENABLE_MANIFEST_CACHE") == "true":
        for prefix, tier, regex, time in TIERS:
            given = environ.get(f"{prefix}_REGEX", regex)
            if given:
                yield _location(f"~ ^/v2/(.*)/manifests/{given}", tier, environ.get(f"{prefix}_TIME", time))
        default = environ.get("MANIFEST_CACHE_DEFAULT_TIME", "1h")
        yield _location("~ ^/v2/(.*)/manifests/", "manifest-default", default)
    else:
        yield _location("~ ^/v2/(.*)/manifests/", "manifest-default-disabled", "0s")
    yield _location("~ ^/v2/(.*)/blobs/", "blob-mutable", "0s")
    yield 'location / { return 200 "unknown"; }'


def _location(match: str, tier: str, time: str) -> str:
    return f'location {match} {{ expires {time}; return 200 "{tier}"; }}'
