"""The schema of `test` blocks."""

from regproxy.policy.block import BlockType, Directive, directives

TEST = BlockType(
    "test",
    "what the policy must do with one request; a policy whose tests fail is not used",
    directives(
        Directive(
            "request",
            "METHOD REFERENCE [from ADDRESS]",
            'what a client asks for, an image like "docker.io/library/redis:7" or a URL, and its address',
        ),
        Directive(
            "given stored",
            "nothing|age|gone [DURATION]",
            "what is stored: nothing; an answer last validated so long ago; or one that vanished so long ago",
            "nothing",
        ),
        Directive(
            "given upstream",
            "same|moved|slow|dns|connect|tls|timeout|reset|credential|FAILED_STATUS",
            "what the registry does when asked: has the same; has another answer under this name; answers later "
            "than any `within`; gives no usable answer; or answers this status",
            "same",
        ),
        Directive(
            "given quota",
            "exhausted",
            "the registry's pull limit is used up: a GET of a manifest is answered 429, a HEAD is free",
            "not exhausted",
        ),
        Directive("given user", "USER", "the user of the proxy that the client proved to be", "nobody"),
        Directive("expect tier", "TIER", "the tier that decides; `unmatched` when none does"),
        Directive("expect outcome", "OUTCOME", "how the request is answered, as in the log's `outcome`"),
        Directive("expect status", "ANSWER_STATUS", "the status that the client gets"),
        Directive("expect fresh", "DURATION|forever|origin", "for how long what is stored is served without asking"),
        Directive("expect pass", "", "the request is passed on and nothing is stored"),
        Directive("expect deny", "STATUS", "the policy refuses the request with this status"),
        Directive("expect connect", "intercept|tunnel|refuse", "what the client's CONNECT leads to"),
    ),
    named="SENTENCE",
    once=False,
)
