"""The schema of `warm` blocks."""

from regproxy.policy.block import BlockType, Directive, directives

WARM = BlockType(
    "warm",
    "images that are asked about, and fetched, before a client asks",
    directives(
        Directive("images", "REFERENCE...", 'tags such as "docker.io/library/redis:7"'),
        Directive("every", "DURATION", "ask so often what they mean, by a HEAD that no registry counts", "15m"),
        Directive("platforms", "PLATFORM...", "fetch these of an index", "those that clients pulled before"),
        Directive(
            "between", "TIME TIME", "fetch what is new in these hours of the day (UTC); asking goes on", "all day"
        ),
    ),
    named="NAME",
    once=False,
    required="images",
)
