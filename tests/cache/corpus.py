"""What the public HTTP cache test suite asks of a shared cache, told again as rows of steps against one target.

A number in the place of a date is that many seconds from the step's time. `must` is what RFC 9111 demands, the rest is
what a good cache does; a row with `not_here` is one that this cache leaves out, and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Timed = tuple[tuple[str, str | int], ...]
Told = Literal["asked", "stored", "by etag", "by date", "refused"]

AN_HOUR = ("Cache-Control", "max-age=3600")
NOW = ("Date", 0)
ETAG = ("ETag", '"a"')
CHANGED = ("Last-Modified", -100_000)


@dataclass(frozen=True, slots=True)
class Step:
    """One request: how it must be answered, and what the origin says if it is asked."""

    told: Told
    gives: Timed = ()
    status: int = 200
    asks: Timed = ()
    method: str = "GET"
    after: float = 0.0
    at: str = ""
    body: bytes | None = None
    fails: bool = False
    client: int = 0
    shows: Timed = ()
    lacks: tuple[str, ...] = ()
    reads: bytes | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One behaviour."""

    name: str
    steps: tuple[Step, ...]
    must: bool = True
    not_here: str = ""


def asked(*gives: tuple[str, str | int], **more: object) -> Step:
    return replace(Step("asked", gives), **more)  # type: ignore[arg-type]


def stored(**more: object) -> Step:
    return replace(Step("stored"), **more)  # type: ignore[arg-type]


def must(name: str, *steps: Step) -> Row:
    return Row(name, steps)


def should(name: str, *steps: Step, not_here: str = "") -> Row:
    return Row(name, steps, must=False, not_here=not_here)


def control(value: str, *more: tuple[str, str | int]) -> Timed:
    return (("Cache-Control", value), *more)


def _reused(name: str, *gives: tuple[str, str | int], after: float = 5, not_here: str = "") -> Row:
    return should(name, asked(*gives), stored(after=after), not_here=not_here)


def _never(name: str, *gives: tuple[str, str | int], after: float = 5) -> Row:
    return must(name, asked(*gives), asked(after=after))


FRESHNESS = (
    _never("nothing is said", after=5),
    _reused("max-age", AN_HOUR),
    _never("max-age=0", *control("max-age=0")),
    _never("max-age is over", *control("max-age=3")),
    _reused("max-age of 2^31", *control("max-age=2147483648")),
    _reused("max-age beyond 2^31", *control("max-age=99999999999")),
    _never("Age is beyond max-age", NOW, *control("max-age=10"), ("Age", "15")),
    _never("an old Date is age too", ("Date", -7200), AN_HOUR),
    _reused("max-age and an Expires that is over", AN_HOUR, ("Expires", -10_000), NOW),
    _reused("max-age and an Expires that is none", AN_HOUR, ("Expires", "0"), NOW),
    _never("max-age=0 and an Expires to come", *control("max-age=0"), ("Expires", 10_000), NOW),
    _reused("an unknown directive beside max-age", *control("foobar, max-age=3600")),
    _reused("MaX-aGe", *control("MaX-aGe=3600")),
    _reused("s-maxage", *control("s-maxage=3600")),
    _never("s-maxage before a longer max-age", *control("max-age=3600, s-maxage=1")),
    _never("s-maxage on a line of its own", *control("max-age=3600"), *control("s-maxage=1")),
    _reused("s-maxage before a shorter max-age", *control("max-age=1, s-maxage=3600")),
    _reused("Expires", ("Expires", 3600), NOW),
    _never("Expires that is over", ("Expires", -3600), NOW),
    _never("Expires that is now", ("Expires", 0), NOW),
    _never("Expires before a Date to come", ("Expires", 3600), ("Date", 7200)),
    _never("Age is beyond Expires", ("Expires", 3600), NOW, ("Age", "7200")),
    _reused("Expires long after", ("Expires", 40 * 86400), NOW, after=30 * 86400),
)
PARSING = (
    _never("max-age in a quoted string before", *control('extension="max-age=3600", max-age=1')),
    _never("max-age in a quoted string after", *control('max-age=1, extension="max-age=3600"')),
    _never("a max-age in apostrophes", *control("max-age='3600'")),
    _never("a negative max-age", *control("max-age=-3600")),
    _never("letters before max-age", *control("max-age=a3600")),
    _never("letters after max-age", *control("max-age=3600a")),
    _never("a fraction of max-age", *control("max-age=3600.5")),
    _reused("max-age in quotes", *control('max-age="3600"')),
    _reused("zeros before max-age", *control("max-age=003600")),
    _never("a blank before =", *control("max-age =3600")),
    _never("a blank after =", *control("max-age= 3600")),
    _reused("the first max-age counts", *control("max-age=1800, max-age=1")),
    _never("the first max-age counts, short", *control("max-age=1, max-age=1800")),
    _reused("an Age that is no number", NOW, AN_HOUR, ("Age", "abc")),
    _reused("a negative Age", NOW, AN_HOUR, ("Age", "-7200")),
    _never("the first Age counts", NOW, AN_HOUR, ("Age", "7200,0")),
    _never("the first line of Age counts", NOW, AN_HOUR, ("Age", "7200"), ("Age", "0")),
    _reused("the first Age counts, young", NOW, AN_HOUR, ("Age", "0, 7200")),
    _reused("Expires as RFC 850 wrote it", ("Expires", "Thursday, 18-Aug-50 02:01:18 GMT"), NOW),
    _reused("Expires as asctime wrote it", ("Expires", "Thu Aug 18 02:01:18 2050"), NOW),
    *(
        _never(f"Expires that is no date: {text}", ("Expires", text), NOW)
        for text in (
            "0",
            "Thu, 18 AUG 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
        )
    ),
)
HEURISTICS = (
    *(
        should(
            f"{status} with Last-Modified",
            asked(CHANGED, NOW, status=status, body=b"" if status == 204 else None),
            stored(after=5, client=status),
        )
        for status in (200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501)
    ),
    *(
        must(
            f"{status} with Last-Modified",
            asked(CHANGED, NOW, status=status),
            asked(CHANGED, NOW, status=status, after=5),
        )
        for status in (201, 202, 302, 303, 307, 403, 500, 502, 503, 504)
    ),
    should("403 with public", asked(*control("public"), CHANGED, NOW, status=403), stored(after=5, client=403)),
    must("a tenth of its age", asked(("Last-Modified", -100), NOW), Step("by date", (NOW,), after=11)),
    must("a day at most", asked(("Last-Modified", -86400 * 900), NOW), Step("by date", (NOW,), after=86401)),
    must("Last-Modified after Date", asked(("Last-Modified", 100), NOW), Step("by date", after=1)),
)
STATUSES = (
    *(
        should(f"fresh {status}", asked(AN_HOUR, NOW, status=status), stored(after=5, client=status))
        for status in (200, 203, 301, 302, 303, 307, 308, 403, 404, 410, 451, 500, 502, 503, 504)
    ),
    *(
        must(f"stale {status}", asked(*control("max-age=2"), NOW, status=status), asked(after=5))
        for status in (200, 203, 301, 302, 303, 307, 308, 404, 410)
    ),
    should(
        "fresh 400",
        asked(AN_HOUR, status=400),
        stored(client=400),
        not_here="an answer about one request's fields must not answer the next request (cpdos)",
    ),
    must("206 without a request for a part", asked(AN_HOUR, ("Content-Range", "bytes 0-3/9"), status=206), asked()),
)
RESPONSE_DIRECTIVES = (
    _never("private", *control("private, max-age=3600")),
    _never("no-store", *control("no-store")),
    _never("No-StOrE", *control("No-StOrE")),
    _never("no-store with max-age and Expires", *control("max-age=9999, no-store"), ("Expires", 9999), NOW),
    _never("no-cache", *control("max-age=9999, no-cache"), ("Expires", 9999), NOW),
    _never("No-CaChE", *control("max-age=9999, No-CaChE")),
    should("no-cache is stored and asked for", asked(*control("no-cache"), ETAG), Step("by etag", (ETAG,))),
    should("no-cache beats max-age", asked(*control("max-age=9999, no-cache"), ETAG), Step("by etag", (ETAG,))),
    should("must-revalidate while fresh", asked(*control("max-age=9999, must-revalidate"), ETAG), stored(after=5)),
    must("must-revalidate when stale", asked(*control("max-age=2, must-revalidate"), ETAG),
         Step("by etag", (ETAG,), after=5)),
    should("must-understand beats no-store", asked(*control("max-age=99, no-store, must-understand")), stored(after=5)),
    should("a field that no-cache names", asked(("a", "1"), ("b", "2"), *control('no-cache="a"'), AN_HOUR),
           stored(shows=(("b", "2"),), lacks=("a",))),
    should("fields that no-cache names",
           asked(("a", "1"), ("b", "2"), ("c", "3"), *control('no-cache="a, b"'), AN_HOUR),
           stored(shows=(("c", "3"),), lacks=("a", "b"))),
    should("fields that private names", asked(("a", "1"), ("b", "2"), *control('private="a", max-age=99')),
           stored(shows=(("b", "2"),), lacks=("a",))),
    should("immutable outlives a reload", asked(*control("max-age=9999, immutable")),
           stored(asks=control("max-age=0"), after=5)),
    must("immutable that is stale", asked(*control("max-age=2, immutable"), ETAG), Step("by etag", (ETAG,), after=5)),
)  # fmt: skip
REQUEST_DIRECTIVES = (
    must("max-age=0", asked(AN_HOUR), asked(asks=control("max-age=0"), after=1)),
    must("max-age=1", asked(AN_HOUR), asked(asks=control("max-age=1"), after=5)),
    must("max-age below Age", asked(AN_HOUR, ("Age", "1800")), asked(asks=control("max-age=600"))),
    should("max-age above the age", asked(AN_HOUR), stored(asks=control("max-age=600"), after=5)),
    should("max-stale", asked(*control("max-age=1")), stored(asks=control("max-stale=1000"), after=5)),
    should("max-stale, with a validator", asked(*control("max-age=1"), ETAG),
           stored(asks=control("max-stale=1000"), after=5)),
    should("max-stale without a value", asked(*control("max-age=1"), ETAG), stored(asks=control("max-stale"), after=5)),
    must("max-stale that is over", asked(*control("max-age=1"), ETAG),
         Step("by etag", (ETAG,), asks=control("max-stale=2"), after=5)),
    must("max-stale and must-revalidate", asked(*control("max-age=1, must-revalidate"), ETAG),
         Step("by etag", (ETAG,), asks=control("max-stale=1000"), after=5)),
    must("min-fresh", asked(*control("max-age=1500")), asked(asks=control("min-fresh=2000"))),
    must("min-fresh of an aged answer", asked(*control("max-age=1500"), ("Age", "1000")),
         asked(asks=control("min-fresh=1000"))),
    must("no-cache", asked(AN_HOUR), asked(asks=control("no-cache"))),
    must("no-cache by date", asked(AN_HOUR, CHANGED, NOW), Step("by date", asks=control("no-cache"))),
    must("no-cache by entity tag", asked(AN_HOUR, ETAG), Step("by etag", (ETAG,), asks=control("no-cache"))),
    must("Pragma: no-cache", asked(AN_HOUR), asked(asks=(("Pragma", "no-cache"),))),
    should("Pragma beside Cache-Control", asked(AN_HOUR),
           stored(asks=(("Pragma", "no-cache"), *control("max-age=99")))),
    must("no-store is not stored", asked(AN_HOUR, asks=control("no-store")), asked()),
    must("only-if-cached", Step("refused", asks=control("only-if-cached"), client=504)),
    should("only-if-cached of what is here", asked(AN_HOUR), stored(asks=control("only-if-cached"))),
)  # fmt: skip
_FOO = (("Vary", "Foo"), AN_HOUR)


def _foo(value: str) -> Timed:
    return (("Foo", value),)


VARY = (
    should("the same value", asked(*_FOO, asks=_foo("1")), stored(asks=_foo("1"))),
    must("another value", asked(*_FOO, asks=_foo("1")), asked(asks=_foo("2"))),
    must("no value", asked(*_FOO, asks=_foo("1")), asked()),
    must("a value where there was none", asked(*_FOO), asked(asks=_foo("1"))),
    should("other variants stay", asked(*_FOO, asks=_foo("1"), body=b"one"), asked(*_FOO, asks=_foo("2")),
           stored(asks=_foo("1"), reads=b"one")),
    should("fields that are not named", asked(*_FOO, asks=(*_foo("1"), ("Other", "2"))),
           stored(asks=(*_foo("1"), ("Other", "3")))),
    should("two fields", asked(("Vary", "Foo, Bar"), AN_HOUR, asks=(("Foo", "1"), ("Bar", "a"))),
           stored(asks=(("Bar", "a"), ("Foo", "1")))),
    must("two fields, one differs", asked(("Vary", "Foo, Bar"), AN_HOUR, asks=(("Foo", "1"), ("Bar", "a"))),
         asked(asks=(("Foo", "2"), ("Bar", "a")))),
    must("two fields, one missing", asked(("Vary", "Foo, Bar"), AN_HOUR, asks=(("Foo", "1"), ("Bar", "a"))),
         asked(asks=_foo("1"))),
    must("two lines of Vary", asked(("Vary", "Foo"), ("Vary", "Bar"), AN_HOUR, asks=(("Foo", "1"), ("Bar", "a"))),
         asked(asks=(("Foo", "1"), ("Bar", "b")))),
    should("a field that both omit", asked(("Vary", "Foo, Bar"), AN_HOUR, asks=_foo("1")), stored(asks=_foo("1"))),
    should("blanks mean nothing", asked(*_FOO, asks=_foo("1,2")), stored(asks=_foo("1, 2"))),
    should("names in any case", asked(("Vary", "fOO"), AN_HOUR, asks=_foo("1")), stored(asks=_foo("1"))),
    should("languages in any order", asked(("Vary", "Accept-Language"), AN_HOUR, asks=(("Accept-Language", "en, de"),)),
           stored(asks=(("Accept-Language", "de, en"),)),
           not_here="what order means is each field's own; only blanks are known to mean nothing"),
    *(must(f"a star: {value}", asked(("Vary", value), AN_HOUR, asks=_foo("1")), asked(asks=_foo("1")))
      for value in ("*", "*, *", ", *", "*, Foo", "Foo, *")),
    must("a star on the second line", asked(("Vary", "Foo"), ("Vary", "*"), AN_HOUR, asks=_foo("1")),
         asked(asks=_foo("1"))),
)  # fmt: skip


def _conditional(tag: str, asks: str, *, matches: bool, more: Timed = ()) -> tuple[Step, ...]:
    kept = asked(AN_HOUR, ("ETag", tag), CHANGED, NOW)
    return kept, stored(asks=(("If-None-Match", asks), *more), client=304 if matches else 200)


CONDITIONS = (
    should("If-None-Match", *_conditional('"a"', '"a"', matches=True)),
    should("If-None-Match, weak", *_conditional('W/"a"', 'W/"a"', matches=True)),
    should("If-None-Match, weak against strong", *_conditional('"a"', 'W/"a"', matches=True)),
    should("If-None-Match, the first of three", *_conditional('"a"', '"a", "b", "c"', matches=True)),
    should("If-None-Match, the second of three", *_conditional('"a"', '"b", "a", "c"', matches=True)),
    should("If-None-Match, the last of three", *_conditional('"a"', '"b", "c", "a"', matches=True)),
    must("If-None-Match, another", *_conditional('"a"', '"b"', matches=False)),
    must("If-None-Match before If-Modified-Since",
         *_conditional('"a"', '"b"', matches=False, more=(("If-Modified-Since", 0),))),
    must("If-None-Match before If-Modified-Since, matching",
         *_conditional('"a"', '"a"', matches=True, more=(("If-Modified-Since", -10**6),))),
    should("If-Modified-Since", asked(AN_HOUR, CHANGED, NOW), stored(asks=(("If-Modified-Since", 0),), client=304)),
    must("If-Modified-Since before the change", asked(AN_HOUR, CHANGED, NOW),
         stored(asks=(("If-Modified-Since", -10**6),), client=200)),
    must("a 304 has the entity tag, Date and Age", asked(AN_HOUR, ETAG, NOW),
         stored(asks=(("If-None-Match", '"a"'),), client=304, shows=(ETAG, ("Date", -5), ("Age", "5")), after=5)),
    should("asks by a strong tag", asked(*control("max-age=1"), ETAG), Step("by etag", (ETAG,), after=5)),
    should("asks by a weak tag", asked(*control("max-age=1"), ("ETag", 'W/"a"')),
           Step("by etag", (("ETag", 'W/"a"'),), after=5)),
    should("asks by date", asked(*control("max-age=1"), CHANGED, NOW), Step("by date", after=5)),
    must("asks with the fields that Vary names", asked(*control("max-age=1"), ETAG, ("Vary", "Foo"), asks=_foo("1")),
         Step("by etag", (ETAG,), asks=_foo("1"), after=5)),
    must("another variant's tag is not asked with", asked(AN_HOUR, ETAG, ("Vary", "Foo"), asks=_foo("1")),
         asked(asks=_foo("2"))),
    must("If-Match is for the origin", asked(AN_HOUR, ETAG), asked(asks=(("If-Match", '"a"'),))),
    must("If-Unmodified-Since is for the origin", asked(AN_HOUR, CHANGED), asked(asks=(("If-Unmodified-Since", 0),))),
)  # fmt: skip


def _updates(name: str, old: str, new: str, validator: tuple[str, str | int], told: Told, *, kept: bool) -> Row:
    gives: Timed = (NOW, validator)
    confirmed = Step(told, (*control("max-age=3600"), *gives, (name, new)), after=5)
    shows = ((name, old if kept else new),)
    steps = asked(*control("max-age=1"), *gives, (name, old)), replace(confirmed, shows=shows), stored(shows=shows)
    return must(f"{name} {told}", *steps)


_UPDATED = {
    "Test-Header": ("A", "B"),
    "X-Test-Header": ("A", "B"),
    "Content-Foo": ("A", "B"),
    "Content-Type": ("text/plain", "text/plain;charset=utf-8"),
    "Content-MD5": ("rL0Y20zC+Fzt72VPzMSk2A==", "N7UdGUp1E+RbVvZSTy1R8g=="),
    "Content-Location": ("/foo", "/bar"),
    "Content-Security-Policy": ("default-src 'self'", "default-src 'self' cdn.example.com"),
    "X-Frame-Options": ("deny", "sameorigin"),
    "Expires": ("Fri, 01 Jan 2038 01:01:01 GMT", "Mon, 11 Jan 2038 11:11:11 GMT"),
    "Clear-Site-Data": ("cache", "cookies"),
}
UPDATES = (
    *(_updates(name, old, new, ETAG, "by etag", kept=False) for name, (old, new) in _UPDATED.items()),
    *(_updates(name, old, new, CHANGED, "by date", kept=False) for name, (old, new) in _UPDATED.items()),
    _updates("Content-Encoding", "x-old", "x-new", ETAG, "by etag", kept=True),
    _updates("Content-Range", "bytes 0-0/1", "bytes 0-0/2", ETAG, "by etag", kept=True),
    must("a field that the 304 leaves out", asked(*control("max-age=1"), ETAG, ("Test-Header", "A")),
         Step("by etag", (AN_HOUR, ETAG), after=5, shows=(("Test-Header", "A"),))),
    must("a 304 about something else", asked(*control("max-age=1"), ETAG, body=b"old"),
         Step("by etag", (AN_HOUR, ("ETag", '"other"')), after=5, body=b"new", reads=b"new")),
    must("a 304 that says private", asked(*control("max-age=1"), ETAG),
         Step("by etag", (*control("private"), ETAG), after=5), asked(after=1)),
)  # fmt: skip
HEAD = (
    should("a stored GET answers HEAD", asked(AN_HOUR, body=b"0123"),
           stored(method="HEAD", reads=b"", shows=(("Content-Length", "4"),))),
    must("HEAD is not stored as GET", asked(AN_HOUR, method="HEAD"), asked()),
    should("HEAD updates a stale GET", asked(*control("max-age=1"), ETAG, ("Test", "A"), body=b"0123"),
           asked(AN_HOUR, ETAG, ("Test", "B"), method="HEAD", after=5, body=b"0123"),
           stored(shows=(("Test", "B"),), reads=b"0123", after=1)),
    must("HEAD with another tag makes it stale", asked(*control("max-age=3"), ETAG, body=b"0123"),
         asked(AN_HOUR, ("ETag", '"b"'), method="HEAD", after=5, body=b"4567"), asked(body=b"4567")),
    must("HEAD with another length makes it stale", asked(*control("max-age=3"), ETAG, body=b"0123"),
         asked(AN_HOUR, ETAG, method="HEAD", after=5, body=b"01234"), asked(body=b"01234")),
)  # fmt: skip
INVALIDATION = (
    *(must(f"{method} that succeeds", asked(AN_HOUR), asked(method=method), asked())
      for method in ("POST", "PUT", "DELETE", "PATCH", "M-SEARCH")),
    *(must(f"{method} that redirects", asked(AN_HOUR), asked(("Location", "/elsewhere"), method=method, status=303),
           asked()) for method in ("POST", "PUT")),
    *(should(f"{method} that fails", asked(AN_HOUR), asked(method=method, status=500), stored())
      for method in ("POST", "PUT", "DELETE", "PATCH", "M-SEARCH")),
    *(should(f"{method} that is safe", asked(AN_HOUR), asked(method=method), stored()) for method in ("OPTIONS",)),
    *(must(f"{name} of the same origin", asked(AN_HOUR, at="/a"), asked((name, "a"), method="POST", at="/b"),
           asked(at="/a")) for name in ("Location", "Content-Location")),
    *(must(f"{name} of another origin", asked(AN_HOUR, at="/a"),
           asked((name, "https://evil.example/corpus/a"), method="POST", at="/b"), stored(at="/a"))
      for name in ("Location", "Content-Location")),
    must("all variants go", asked(*_FOO, asks=_foo("1")), asked(*_FOO, asks=_foo("2")), asked(method="POST"),
         asked(*_FOO, asks=_foo("1")), asked(*_FOO, asks=_foo("2"))),
)  # fmt: skip
_BEARER = (("Authorization", "Bearer of.a.stranger"),)
CREDENTIALS = (
    must("Authorization", asked(AN_HOUR, asks=_BEARER), asked()),
    must("Authorization, and again by the same", asked(AN_HOUR, asks=_BEARER), asked(asks=_BEARER)),
    should("Authorization and public", asked(*control("max-age=99, public"), asks=_BEARER), stored(asks=_BEARER)),
    should("Authorization and must-revalidate", asked(*control("max-age=99, must-revalidate"), asks=_BEARER),
           stored(asks=_BEARER)),
    should("Authorization and s-maxage", asked(*control("s-maxage=99"), asks=_BEARER), stored(asks=_BEARER)),
    should("a response with Set-Cookie", asked(AN_HOUR, ("Set-Cookie", "a=b")), stored(),
           not_here="a cookie is for one client, and a response without its fields would be none"),
    should("a cookie that no-cache withholds",
           asked(*control('max-age=99, no-cache="set-cookie"'), ("Set-Cookie", "a=b")),
           stored(lacks=("Set-Cookie",))),
    should("a request with Cookie", asked(AN_HOUR), stored(asks=(("Cookie", "a=b"),)),
           not_here="who brings a cookie may get another page: only what is said to be for everyone is served"),
    should("a request with Cookie, and public", asked(*control("public, max-age=99")),
           stored(asks=(("Cookie", "a=b"),))),
    must("a GitLab token", asked(AN_HOUR, asks=(("Private-Token", "x"),)), asked()),
)  # fmt: skip
FIELDS = (
    must("hop-by-hop fields stay behind", asked(AN_HOUR, ("Connection", "a, b"), ("a", "1"), ("b", "2"), ("c", "3")),
         stored(shows=(("c", "3"),), lacks=("a", "b", "Connection"))),
    *(must(f"{name} is not stored", asked(AN_HOUR, (name, "x")), stored(lacks=(name,)))
      for name in ("Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Connection", "Keep-Alive", "TE")),
    *(must(f"{name} is stored", asked(AN_HOUR, (name, "x")), stored(shows=((name, "x"),)))
      for name in ("Test-Header", "X-Frame-Options", "Strict-Transport-Security", "Content-Language", "ETag")),
    must("Age is made", asked(("Expires", 10**6), NOW), stored(after=5, shows=(("Age", "5"),))),
    must("Age is added to", asked(AN_HOUR, NOW, ("Age", "30")), stored(after=5, shows=(("Age", "35"),))),
    must("Date stays", asked(AN_HOUR, NOW), stored(after=5, shows=(("Date", -5),))),
    must("the query is part of the key", asked(AN_HOUR, at="?a=1"), asked(AN_HOUR, at="?a=2"), stored(at="?a=1")),
)  # fmt: skip
PARTS = (
    *(should(f"{asks} of a whole", asked(AN_HOUR, body=b"0123456789A"),
             stored(asks=(("Range", asks),), client=206, reads=reads))
      for asks, reads in (("bytes=0-1", b"01"), ("bytes=1-", b"123456789A"), ("bytes=-1", b"A"))),
    must("a part that is not there", asked(AN_HOUR, body=b"0123"), stored(asks=(("Range", "bytes=9-"),), client=416)),
    must("If-Range of another tag", asked(AN_HOUR, ETAG, body=b"0123"),
         stored(asks=(("Range", "bytes=0-1"), ("If-Range", '"b"')), client=200, reads=b"0123")),
    must("a part is not stored as the whole", asked(AN_HOUR, ("Content-Range", "bytes 0-1/9"), status=206,
                                                    asks=(("Range", "bytes=0-1"),)), asked()),
    should("a part is stored", asked(AN_HOUR, ("Content-Range", "bytes 0-1/9"), status=206, body=b"01",
                                     asks=(("Range", "bytes=0-1"),)),
           stored(asks=(("Range", "bytes=0-1"),), client=206), not_here="parts are passed, never stored or combined"),
)  # fmt: skip


def _outage(name: str, cached: str, *, serves: bool, fails: bool = True, status: int = 503) -> Row:
    gone = Step("asked", status=status, fails=fails, after=5, client=200 if serves else 502 if fails else status)
    return must(name, asked(*control(cached), ETAG, body=b"old"), replace(gone, reads=b"old" if serves else None))


STALE = (
    _outage("stale-if-error and a cut line", "max-age=2, stale-if-error=60", serves=True),
    _outage("stale-if-error and a 503", "max-age=2, stale-if-error=60", serves=True, fails=False),
    _outage("stale-if-error that is over", "max-age=2, stale-if-error=3", serves=False),
    _outage("stale-if-error and a 404", "max-age=2, stale-if-error=60", serves=False, fails=False, status=404),
    _outage("nothing is said and the tier says nothing", "max-age=2", serves=False),
    *(_outage(f"{word} forbids", f"max-age=2, stale-if-error=60, {word}", serves=False)
      for word in ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2")),
    must("stale-while-revalidate that is over", asked(*control("max-age=1, stale-while-revalidate=3"), ETAG),
         Step("by etag", (ETAG,), after=5)),
)  # fmt: skip

GROUPS: Mapping[str, tuple[Row, ...]] = {
    "freshness": FRESHNESS,
    "parsing": PARSING,
    "heuristics": HEURISTICS,
    "statuses": STATUSES,
    "response directives": RESPONSE_DIRECTIVES,
    "request directives": REQUEST_DIRECTIVES,
    "vary": VARY,
    "conditions": CONDITIONS,
    "updates by 304": UPDATES,
    "head": HEAD,
    "invalidation": INVALIDATION,
    "credentials": CREDENTIALS,
    "fields": FIELDS,
    "parts": PARTS,
    "stale": STALE,
}
