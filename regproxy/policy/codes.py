"""Every code that a finding may have: one table, from which `explain-code`, SARIF and the reference come."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """What a code means: a title of a few words, and a paragraph."""

    title: str
    text: str


CODES: Mapping[str, Code] = {
    "RP001": Code(
        "not a value",
        "A number, a time or a size is written in a way that the language does not know. Times carry one of the units "
        "ms s m h d w, sizes one of B kB KiB MB MiB GB GiB TB TiB, and several times may follow each other: 1h30m. "
        'Names that begin with a digit or hold special characters stand in quotes: "3scale".',
    ),
    "RP002": Code(
        "missing `;`",
        "Every statement ends with a semicolon. The finding stands where the semicolon belongs, at the end of the "
        "statement, not on the line after it where the reading stopped.",
    ),
    "RP003": Code(
        "unexpected word or sign",
        "Here the grammar allows other things than what stands there; the sentence lists them. Operators are words: "
        "`is`, `in`, `like`, `matches`, `and`, `or`, `not`.",
    ),
    "RP004": Code(
        "block without an end",
        "A `{` has no `}`. Where the braces do not balance, a name in the first column is taken as the beginning of "
        "the next block, so that one forgotten brace costs one block and not the rest of the file.",
    ),
    "RP005": Code(
        "too deep or too much",
        "Braces, brackets, parentheses and `not` nest at most 32 deep, and one name stands for at most 1,000 values. "
        "Nothing that people write comes near; the bound keeps a made-up file from using up the program.",
    ),
    "RP006": Code(
        "unknown escape",
        'In a string in double quotes only `\\"` and `\\\\` are escapes. A regular expression is best written in '
        "single quotes, where a backslash is a backslash.",
    ),
    "RP007": Code("string without an end", "A string ends on its line, with the quote it began with."),
    "RP008": Code("not UTF-8", "Policy files are UTF-8. The finding shows the first place that is not."),
    "RP009": Code("file too large", "A policy file has at most 1 MiB; what is larger is hardly a policy."),
    "RP010": Code(
        "version",
        "The first statement of a policy is `policy 1;`. It keeps an older program from misreading a newer policy: "
        "within a version only additions are made.",
    ),
    "RP100": Code("unknown block", "There is no block of this name here. `regproxy policy schema` lists all of them."),
    "RP101": Code(
        "unknown directive",
        "There is no directive of this name in this block. `regproxy policy schema` lists what each block may hold.",
    ),
    "RP102": Code(
        "unknown attribute",
        "A `match` looks at `kind host registry repo tag digest ref method path client` and at nothing else: all of "
        "these are known before the upstream is asked.",
    ),
    "RP103": Code("unknown word", "A kind, a method or a class of failures that does not exist."),
    "RP104": Code(
        "undefined name",
        "`$name` needs a `let name = …;` before it. In quotes a `$` is a dollar, so that a robot account may be "
        "written as it is.",
    ),
    "RP105": Code(
        "unknown registry, tier, group or user",
        "`registry is NAME` means a `registry NAME { }` block, `expect tier NAME` a `tier NAME { }` block, and a bare "
        "word among clients a `client-group NAME { }` block; there is none. A user of a client-group is one of the "
        "`users file`: nobody can prove to be another.",
    ),
    "RP106": Code("said twice", "A directive, a block, a name or a file stands twice, and only one of them can count."),
    "RP107": Code(
        "something is missing", "A tier needs a `match`, a registry `hosts`, a test a `request` and an `expect`."
    ),
    "RP108": Code(
        "wrong argument",
        "A directive has too many or too few arguments, or one of another type than it takes. The help line shows "
        "how it is written.",
    ),
    "RP109": Code(
        "no unit",
        "Every time and every size carries a unit: a bare number means minutes in one program, seconds in the next.",
    ),
    "RP110": Code(
        "contradiction in a tier",
        "`pass` and `deny` stand alone: what is not stored has no lifetime. `fresh origin` is for answers that say "
        "themselves for how long they hold, lists and paths outside /v2/: a digest never changes, and whether a tag "
        "moved says a HEAD, not a field of an answer. Such a tier matches `kind in [other, tags, referrers, catalog]` "
        "or some of these. Beside it `negative` has no meaning, since an absence too is fresh as long as the origin "
        "says, nor have `revalidate head` and `full`, since a stored answer is asked for by its own validators.",
    ),
    "RP112": Code(
        "not a host or an address",
        "A host is written as `host` or `host:port`, in letters, digits and hyphens, without a scheme; a range of "
        "addresses as `10.0.0.0/8`, without bits after its prefix.",
    ),
    "RP114": Code("unused name", "A `let` that nothing uses is mostly a name that is misspelt elsewhere."),
    "RP115": Code(
        "aliases of several hosts",
        "An alias is answered as the host of its block, so the block must have exactly one, without a wildcard.",
    ),
    "RP116": Code(
        "host named twice",
        "Each host belongs to one registry block: its settings and credentials must not depend on the order.",
    ),
    "RP120": Code(
        "file that cannot be included",
        "Included files are regular files below the folder of the policy, named relative to the file that includes "
        "them, at most 8 deep and 64 in all. A `*` may stand in the name of the file; hidden files are left out.",
    ),
    "RP121": Code("include without a file", "A pattern matches no file. That is allowed, and mostly a wrong path."),
    "RP201": Code(
        "regular expression not supported",
        "Patterns are RE2: no look-around and no back-references, because their matching time must be linear in a "
        "name that strangers choose. Most look-aheads can be written as an earlier tier instead.",
    ),
    "RP202": Code(
        "regular expression that looks like a glob",
        "`matches 'v*'` means any number of the letter v. Write `like \"v*\"` for everything that begins with v.",
    ),
    "RP203": Code("dot between digits", r"In a regular expression `.` matches every character; write `\.` for a dot."),
    "RP204": Code(
        "needless anchor",
        "`matches` takes the whole value: `^` at its beginning and `$` at its end say nothing more.",
    ),
    "RP205": Code(
        "unanchored pattern",
        "`finds` matches anywhere in the value: `finds 'test'` also finds `latest`. `matches` takes the whole value.",
    ),
    "RP206": Code(
        "expression that can be written shorter",
        "A shorter expression is proved to match the same texts, or the expression matches one text only and `is` says "
        "so. Shown with `-v`.",
    ),
    "RP207": Code(
        "glob that looks like a regular expression",
        "In a glob `.` is a dot, `*` stops at `/`, `**` does not, `?` is one character, `{a,b}` a choice.",
    ),
    "RP208": Code(
        "pattern that matches nothing",
        "No value that the attribute can have matches the pattern: in hosts `*` is one label, tags have no `/`, "
        "repositories no capital letters.",
    ),
    "RP211": Code(
        "same pattern twice",
        "Two patterns are written differently, and no value that the attribute can have tells them apart. One name for "
        "both, `let name = '…';`, keeps them together. Shown with `-v`.",
    ),
    "RP301": Code(
        "secret in the policy",
        "A policy is printed, compared, logged and shared; a secret must not be in it. Keep it in a file or in the "
        "environment. No message about the policy shows the characters of the literal.",
    ),
    "RP302": Code(
        "secret that cannot be had",
        "The file or the variable that holds a secret is missing, empty, unreadable or no such thing. A policy with "
        "half of its secrets would fail later, at night; so it is refused.",
    ),
    "RP303": Code(
        "secret that others can read",
        "The file of a secret can be read by every user of the machine. `chmod o-r`, or a group for the proxy.",
    ),
    "RP304": Code(
        "credential lent to everyone",
        "`clients any` lets everyone who can reach the proxy pull with its credential, and read what was pulled with "
        "it. On a network where nobody else is, `clients private` says the same; elsewhere name who is meant.",
    ),
    "RP305": Code(
        "credential without TLS",
        "A credential goes to the registry and to its token hosts over verified TLS and nowhere else. A registry that "
        "is spoken to by `scheme http` would have everyone on the way read it; with `verify off`, whoever answers.",
    ),
    "RP306": Code(
        "credential helper that cannot be run",
        "`auth helper` runs one of docker's credential helpers, and only one that lies in the directory of "
        "`--helper-dir`: a policy must be no way to run anything else. `regproxy serve` says what hinders it.",
    ),
    "RP307": Code(
        "registry that is not verified",
        "With `verify off` whoever is on the way can answer as the registry: say which digest a tag is, and read the "
        "logins that clients send. What is asked for by digest is checked all the same. `ca file` trusts the "
        "certificate of a registry of one's own, and no other.",
    ),
    "RP308": Code(
        "exception to a proxy that is not named",
        "`no-proxy` says which tunnels lead past the parent proxy. No `proxy` is named, in `tunnel` or in a registry "
        "block, so all of them do, and the exception says nothing.",
    ),
    "RP310": Code(
        "host that the CA does not cover",
        "The CA may sign for a limited set of names. A registry outside of them could only be tunnelled, and then "
        "its tiers, denials and credentials would silently not count; so the policy is refused instead.",
    ),
    "RP311": Code(
        "refusal that comes too late",
        "The first matching tier decides. A tier before this `deny` takes requests that the `deny` matches too, and is "
        "no exception that lies within it; the example is one that is not refused. Refusals stand first.",
    ),
    "RP401": Code(
        "tier that matches nothing",
        "No request fulfils the `match`: two of its tests exclude each other, or one asks for what cannot be, such as "
        "a tag with a `/`, the tag of a blob, or a host that no registry block names. Patterns are compared exactly, "
        "as automata, within what the OCI specification lets names be.",
    ),
    "RP402": Code(
        "tier that is never reached",
        "Each request that the tier matches is taken by an earlier tier, or by one of several. First matching tier "
        "wins: special tiers stand above general ones.",
    ),
    "RP403": Code(
        "tiers that overlap",
        "Two tiers match the same request, with different outcomes, and neither is an exception within the other: "
        "their order decides. That may be meant; the example shows one such request. Shown with `-v`.",
    ),
    "RP404": Code(
        "requests without a tier",
        "What no tier matches is passed and not stored, as the example is. A last `tier rest { match any; pass; }` "
        "says that it is meant so.",
    ),
    "RP405": Code(
        "not decided",
        "The proofs end after a fixed amount of work, and some constructs of RE2, such as \\pL, are beyond them. What "
        "was not decided is not reported: a finding is never a guess. Shown with `-v`.",
    ),
    "RP501": Code(
        "lifetime beyond `inactive`",
        "What nobody used for `cache { inactive }` is removed, so a longer `fresh` is never reached for what is "
        "rarely used.",
    ),
    "RP502": Code(
        "size that is never reached",
        "A `max-object` is larger than `cache { size }`, or than the `max-object` of the cache, which counts for every "
        "tier: nothing so large is stored, so the larger number says nothing.",
    ),
    "RP503": Code(
        "tag that is fresh for ever",
        "A moved tag is never noticed. Asking whether a tag moved is a HEAD, which no registry counts as a pull: a "
        "short `fresh` costs little, and outages are covered by `stale if-error`.",
    ),
    "RP504": Code(
        "nothing kept for outages",
        "`fresh 0s` without any `stale` asks the registry each time and serves nothing when it does not answer: "
        "what is stored helps nobody. Write `stale if-error`, or `pass`.",
    ),
    "RP505": Code(
        "rollout that may split",
        "While a stale tag is revalidated behind the first client's back, that client gets the old digest and the "
        "next one the new: one deployment, two images. `revalidate head within 2s` bounds the wait instead.",
    ),
    "RP506": Code(
        "private images for anyone",
        "`readers anyone` serves what is stored to whoever asks, private images included, whoever's login or "
        "credential fetched them. What is public is served to anyone without it.",
    ),
    "RP601": Code(
        "layout",
        "Policies have one layout, so that a change shows what changed and nothing else. `regproxy policy fmt` writes "
        "it and keeps every comment.",
    ),
    "RP701": Code(
        "test that fails",
        "The policy does not do what a `test` in it says it must. One of the two is wrong; until they agree the policy "
        "is not used. `regproxy policy explain` shows tier by tier why a request is decided as it is.",
    ),
}
