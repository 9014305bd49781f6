"""Values of labels that several panels and the rules mean the same by, and their colours."""

from collections.abc import Mapping

from grafana.generator.panel import Colour

# Answered without a new fetch for this request.
SERVED = 'outcome=~"hit|revalidated|stale|swr|collapsed|negative"'
# Requests that a cache could answer: manifests, blobs and lists of a registry.
CACHEABLE = 'kind=~"manifest|blob|tags|referrers|catalog"'
# Bytes that no upstream had to send again.
SAVED = 'source=~"cache|fill"'
THROTTLED = 'code="429"'

OUTCOMES: Mapping[str, Colour] = {
    "hit": "green",
    "revalidated": "light-green",
    "negative": "semi-dark-green",
    "local": "super-light-green",
    "collapsed": "blue",
    "miss": "light-blue",
    "expired": "semi-dark-blue",
    "stale": "yellow",
    "swr": "light-yellow",
    "pass": "gray",
    "denied": "orange",
    "error": "red",
}
CODES: Mapping[str, Colour] = {
    "2..": "green",
    "3..": "blue",
    "4(?!29)..": "yellow",
    "429.*": "purple",
    "5..": "red",
    "none": "dark-red",
}
PULLS: Mapping[str, Colour] = {"hit": "green", "partial": "blue", "miss": "light-blue", "failed": "red"}
REASONS: Mapping[str, Colour] = {
    "rate_limited": "purple",
    "upstream_error": "red",
    "upstream_timeout": "orange",
    "circuit_open": "dark-red",
    "while_revalidate": "blue",
    "client": "gray",
}
SOURCES: Mapping[str, Colour] = {"cache": "green", "fill": "blue", "upstream": "orange", "proxy": "gray"}
