"""The schema of what says who a client is."""

from regproxy.policy.block import BlockType, Directive, directives

CLIENT_GROUP = BlockType(
    "client-group",
    "clients under one name; any of its addresses will do",
    directives(Directive("address", "CIDR...", "where the clients' connections come from", repeatable=True)),
    named="NAME",
    once=False,
    required="address",
)
