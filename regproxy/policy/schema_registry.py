"""The schema of `registry` blocks and of what stands in them."""

from regproxy.policy.block import BlockType, Directive, blocks, directives

UPSTREAM = BlockType(
    "upstream",
    "how to reach the registry",
    directives(
        Directive(
            "connect-to",
            "HOST ENDPOINT",
            "dial the second where the first is meant; name and certificate stay those of the first",
            repeatable=True,
        ),
        Directive("proxy", "PROXY", "reach the registry through this HTTP proxy, which then looks up its name"),
        Directive("proxy file", "SECRET_FILE", "the same; the file holds the URL, credentials included"),
        Directive("proxy env", "VARIABLE", "the same; the variable holds the URL, credentials included"),
        Directive("connect-timeout", "TIMEOUT", "for name look-up, TCP and TLS together", "5s"),
        Directive("first-byte-timeout", "TIMEOUT", "for the wait until an answer begins; uploads may take 5m", "30s"),
        Directive(
            "idle-timeout",
            "TIMEOUT",
            "for less than 1 KiB a second of a body, in whole seconds, rounded up; uploads may take 5m",
            "30s",
        ),
        Directive("retries", "RETRIES", "more tries where no connection came about and nothing was sent", "2"),
        Directive(
            "connections",
            "CONNECTIONS",
            "connections in use at once, for layers and for everything else each; what would need one more waits",
            "128",
        ),
    ),
)

TLS = BlockType(
    "tls",
    "how to trust the registry",
    directives(
        Directive("ca", "file TEXT", "certificates to trust beside the system's", repeatable=True),
        Directive(
            "client-certificate",
            "file SECRET_FILE key file SECRET_FILE",
            "who we are to registries and token hosts that ask by TLS: a chain and its key, both PEM, not encrypted",
        ),
        Directive("min-version", "TLS_VERSION", "the oldest version of TLS to speak", '"1.2"'),
        Directive("verify", "on|off", "off: believe whoever answers; credentials are then not lent", "on"),
    ),
)

LIMITS = BlockType(
    "limits",
    "what each registry of the block is asked for at most",
    directives(
        Directive(
            "pulls",
            "RATE",
            "GETs of manifests, which registries count, from each host in any such span; beyond, as if it limited us",
            "no limit of ours",
        ),
        Directive(
            "concurrent", "CONCURRENCY", "requests at once to the hosts of the block; others wait", "128 and 128"
        ),
        Directive(
            "reserve",
            "PULLS for GROUP",
            "the last pulls, of `pulls` or of those that the registry says are left, are for clients of this group; to "
            "others it is as if the registry limited us",
            "nothing",
        ),
    ),
)

AUTH = BlockType(
    "auth",
    "a credential of the proxy's own, and to whom it is lent; the first that fits repository and client counts",
    directives(
        Directive("username", "USER", "with `basic`: who the proxy is"),
        Directive("password file", "SECRET_FILE", "with `basic`: the file that holds the password"),
        Directive("password env", "VARIABLE", "with `basic`: the variable that holds the password"),
        Directive("token file", "SECRET_FILE", "with `bearer`: the file that holds the token, sent as it is"),
        Directive("token env", "VARIABLE", "with `bearer`: the variable that holds the token, sent as it is"),
        Directive(
            "file", "SECRET_FILE", "with `docker-config`: a config.json with `auths`, as `docker login` writes it"
        ),
        Directive(
            "command",
            "HELPER",
            "with `helper`: a docker credential helper, in the directory of --helper-dir; asked every five minutes",
        ),
        Directive(
            "clients",
            "any|private|CIDR|GROUP...",
            "who may pull with it, and be served what was pulled with it; `private`: private and loopback addresses",
            "private",
        ),
        Directive("present-to", "HOST", "the only host that may see it", "the registry and its token-hosts"),
        Directive(
            "on-reject",
            "anonymous|fail",
            "once it is refused: ask for what is public without it, or fail",
            "anonymous",
        ),
    ),
    once=False,
    header="basic|bearer|docker-config|helper [for REPO_GLOB...]",
)

REGISTRY = BlockType(
    "registry",
    "hosts that share settings; each host is a registry of its own",
    directives(
        Directive("hosts", "HOST_PATTERN...", "the registries: host[:port], a leading `*.` is one label"),
        Directive("aliases", "HOST...", "other names of the block's only host, answered as that host"),
        Directive("token-hosts", "HOST_PATTERN...", "where the registries issue tokens; tunnelled, may be private"),
        Directive("redirect-hosts", "HOST_PATTERN...", "where blobs are redirected to; tunnelled, may be private"),
        Directive("scheme", "https|http", "how the registries are spoken to", "https"),
        Directive("intercept", "on|off", "off: tunnel these hosts and cache nothing", "on"),
        Directive(
            "push",
            "allow|refuse",
            "whether clients may change repositories through us, each with its own credential and never with ours",
            "refuse",
        ),
        Directive(
            "client-auth",
            "preferred|ours|required",
            "clients' own logins are used where they have one; ignored; or asked of every client",
            "preferred",
        ),
        Directive("allow-address", "CIDR...", "addresses that this block may reach, loopback too"),
    ),
    blocks(UPSTREAM, TLS, LIMITS, AUTH),
    named="NAME",
    once=False,
    required="hosts",
)
