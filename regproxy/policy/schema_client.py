"""The schema of what says who a client is, and who may use the proxy."""

from regproxy.policy.block import BlockType, Directive, directives

CLIENT_GROUP = BlockType(
    "client-group",
    "clients under one name; any of its addresses or users will do",
    directives(
        Directive("address", "CIDR...", "where the clients' connections come from", repeatable=True),
        Directive(
            "user", "USER...", "users of the proxy, of its `users file`, that the clients prove to be", repeatable=True
        ),
    ),
    named="NAME",
    once=False,
)

ACCESS = BlockType(
    "access",
    "who may use the proxy",
    directives(
        Directive("allow", "GROUP...", "these groups, and nobody else", "everybody", repeatable=True),
        Directive("deny", "GROUP...", "not these groups; wins over allow", "nobody", repeatable=True),
    ),
)

USERS = Directive(
    "users file",
    "SECRET_FILE",
    "the users of the proxy with their passwords, bcrypt's hashes as `htpasswd -B` writes them; a client that says "
    "that it is one of them (Proxy-Authorization) proves it or is refused",
)
