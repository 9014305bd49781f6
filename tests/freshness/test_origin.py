"""RFC 9111 as rows: each says which section it tells, on responses and requests alone."""

import math

import pytest

from regproxy.freshness.origin import MAX_HEURISTIC, Response, age, lifetime, received
from regproxy.freshness.plan import Fetch, Refuse, Revalidate, Serve
from regproxy.freshness.reuse import Reuse, reuse, stands_in
from regproxy.freshness.storing import is_useful, is_whole, may_store
from regproxy.freshness.validation import conditions, freshened, is_about, is_same
from regproxy.freshness.verdict import Answered, Failed
from regproxy.model.date import date_text
from regproxy.model.decision import FailureClass, Failures, Origin, Revalidation, StaleIfError, Terms
from regproxy.model.message import Fields, Head, field

NOW = 1_000_000.0
PLAIN = Terms(fresh=Origin())
PATIENT = Terms(
    fresh=Origin(),
    stale_if_error=StaleIfError(100, Failures(frozenset(FailureClass), frozenset({429}))),
    stale_while_revalidate=20,
    revalidate=Revalidation("etag", within=2),
)
FOR_EVER = Terms(fresh=Origin(), stale_if_error=StaleIfError(math.inf, Failures(frozenset(FailureClass))))


def head(*fields: tuple[str, str], status: int = 200) -> Head:
    return Head(status, fields)


def control(value: str) -> tuple[str, str]:
    return ("Cache-Control", value)


def at(offset: float, name: str = "Date") -> tuple[str, str]:
    return (name, date_text(NOW + offset))


@pytest.mark.parametrize(
    ("section", "request_fields", "target", "answer", "expected"),
    [
        ("§3: a status that may be guessed about", (), "/", head(), True),
        ("§3: one that may not", (), "/", head(status=302), False),
        ("§3: max-age", (), "/", head(control("max-age=1"), status=302), True),
        ("§3: Expires", (), "/", head(at(9, "Expires"), status=302), True),
        ("§3: public", (), "/", head(control("public"), status=302), True),
        ("§3: a status without a name", (), "/", head(control("max-age=1"), status=599), True),
        ("§3: informational", (), "/", head(control("max-age=1"), status=103), False),
        ("§3.3: a part", (), "/", head(control("max-age=1"), status=206), False),
        ("§4.3.3: a 304 is no response of its own", (), "/", head(control("max-age=1"), status=304), False),
        ("§5.2.1.5: the request says no-store", (control("no-store"),), "/", head(), False),
        ("§5.2.2.5: the response says no-store", (), "/", head(control("no-store, max-age=1")), False),
        ("§5.2.2.3: must-understand", (), "/", head(control("no-store, must-understand, max-age=1")), True),
        ("§5.2.2.3: not understood", (), "/", head(control("must-understand, max-age=1"), status=418), False),
        ("§5.2.2.7: private", (), "/", head(control("private")), False),
        ("§5.2.2.7: private fields", (), "/", head(control('private="x"')), True),
        ("§5.2.2.4: no-cache is stored", (), "/", head(control("no-cache")), True),
        ("§4.1: Vary: *", (), "/", head(("Vary", "a, *")), False),
        ("§7.3: Set-Cookie", (), "/", head(("Set-Cookie", "a=b"), control("public, max-age=9")), False),
        ("§7.3: withheld", (), "/", head(("Set-Cookie", "a=b"), control('no-cache="Set-Cookie"')), True),
        ("§3.5: Authorization", (("Authorization", "x"),), "/", head(control("max-age=9")), False),
        ("§3.5: and public", (("Authorization", "x"),), "/", head(control("public")), True),
        ("§3.5: and s-maxage", (("Authorization", "x"),), "/", head(control("s-maxage=9")), True),
        ("§3.5: and must-revalidate", (("Authorization", "x"),), "/", head(control("must-revalidate")), True),
        ("§3.5: varied on", (("Authorization", "x"),), "/", head(control("public"), ("Vary", "Authorization")), False),
        ("a cookie", (("Cookie", "a=b"),), "/", head(control("max-age=9")), False),
        ("a token of a forge", (("PRIVATE-TOKEN", "x"),), "/", head(control("max-age=9")), False),
        ("a token in the query", (), "/?private_token=x", head(control("max-age=9")), False),
        ("a signature in the query", (), "/?X-Amz-Signature=x", head(control("max-age=9")), False),
        ("and public", (), "/?sig=x", head(control("public, max-age=9")), False),
        ("a query", (), "/?page=2", head(control("max-age=9")), True),
        ("cpdos: the request's own fault", (), "/", head(control("max-age=9"), status=400), False),
        ("cpdos: too large a field", (), "/", head(control("max-age=9"), status=431), False),
        ("a limit is of the moment", (), "/", head(control("max-age=9"), status=429), False),
    ],
)
def test_what_a_shared_cache_may_store(
    section: str, request_fields: Fields, target: str, answer: Head, expected: bool
) -> None:
    assert may_store(request_fields, target, answer) is expected, section


@pytest.mark.parametrize(
    ("section", "fields", "expected"),
    [
        ("§4.2.1: s-maxage", (control("max-age=1, s-maxage=9"),), 9),
        ("§4.2.1: max-age", (control("max-age=9"), at(99, "Expires")), 9),
        ("§4.2.1: Expires less Date", (at(-5), at(9, "Expires")), 14),
        ("§5.3: Expires of nonsense is over", (at(0), ("Expires", "0"), at(-9999, "Last-Modified")), 0),
        ("§4.2.1: nonsense is stale", (control("max-age=x"), at(99, "Expires")), 0),
        ("§4.2.2: a tenth", (at(0), at(-1000, "Last-Modified")), 100),
        ("§4.2.2: in bounds", (at(0), at(-1e9, "Last-Modified")), MAX_HEURISTIC),
        ("§4.2.2: not from the future", (at(0), at(10, "Last-Modified")), 0),
        ("nothing is said", (at(0),), 0),
    ],
)
def test_how_long_a_response_is_fresh(section: str, fields: Fields, expected: float) -> None:
    assert lifetime(Response(200, fields, NOW)) == expected, section


def test_a_guess_needs_a_status_that_may_be_guessed_about_or_public() -> None:
    fields = (at(0), at(-1000, "Last-Modified"))
    assert lifetime(Response(403, fields, NOW)) == 0
    assert lifetime(Response(403, (*fields, control("public")), NOW)) == 100


@pytest.mark.parametrize(
    ("section", "fields", "delay", "expected"),
    [
        ("§4.2.3: no Date, no Age", (), 0, 5),
        ("§4.2.3: apparent age", (at(-10),), 0, 15),
        ("§4.2.3: a Date to come", (at(10),), 0, 5),
        ("§4.2.3: Age", (at(0), ("Age", "30")), 0, 35),
        ("§4.2.3: Age and the time it took", (at(0), ("Age", "30")), 4, 39),
        ("§4.2.3: the greater of both", (at(-99), ("Age", "30")), 0, 104),
        ("§5.1: the first Age", (at(0), ("Age", "30, 1")), 0, 35),
        ("§5.1: an Age of nonsense", (at(0), ("Age", "-30")), 0, 5),
    ],
)
def test_how_old_a_response_is(section: str, fields: Fields, delay: float, expected: float) -> None:
    assert age(received(Head(200, fields), NOW - delay, NOW), NOW + 5) == expected, section


def test_a_clock_that_went_back_makes_a_response_old() -> None:
    assert age(received(head(at(0)), NOW, NOW), NOW - 1) == math.inf


def test_what_is_stored_has_a_date_and_no_field_of_one_hop_or_one_answer() -> None:
    fields = (
        ("Connection", "x"), ("X", "1"), ("Transfer-Encoding", "chunked"), ("Content-Length", "3"), ("Y", "2"),
        control('no-cache="set-cookie", private="user"'), ("Set-Cookie", "a=b"), ("User", "u"),
    )  # fmt: skip
    kept = received(Head(200, fields), NOW, NOW).fields
    assert kept == (("Y", "2"), fields[5], ("Date", date_text(NOW)), ("Age", "0"))


def stored(value: str, *more: tuple[str, str]) -> Response:
    return received(head(control(value), at(0), *more), NOW, NOW)


ASK = Revalidate("etag", None)


@pytest.mark.parametrize(
    ("section", "response", "request_fields", "terms", "after", "expected"),
    [
        ("§4: nothing is stored", None, (), PLAIN, 0, Fetch()),
        ("§4: fresh", stored("max-age=10"), (), PLAIN, 9.9, Serve()),
        ("§4: stale", stored("max-age=10"), (), PLAIN, 10, ASK),
        ("§5.2.2.4: no-cache", stored("max-age=10, no-cache"), (), PATIENT, 1, ASK),
        ("§5.2.2.4: for a field", stored('max-age=10, no-cache="x"'), (), PLAIN, 1, Serve()),
        ("§5.2.1.4: asks no-cache", stored("max-age=10"), (control("no-cache"),), PLAIN, 1, ASK),
        ("§5.4: asks Pragma", stored("max-age=10"), (("Pragma", "no-cache"),), PLAIN, 1, ASK),
        ("§5.2.1.1: asks max-age", stored("max-age=10"), (control("max-age=5"),), PLAIN, 5, Serve()),
        ("§5.2.1.1: older than that", stored("max-age=10"), (control("max-age=5"),), PLAIN, 5.1, ASK),
        ("§5.2.1.1: nor patient with that", stored("max-age=10"), (control("max-age=5"),), PATIENT, 7, ASK),
        ("§5.2.1.1: nor as stale", stored("max-age=10"), (control("max-age=5, max-stale=5"),), PLAIN, 12, ASK),
        ("§5.2.1.3: asks min-fresh", stored("max-age=10"), (control("min-fresh=5"),), PLAIN, 5, Serve()),
        ("§5.2.1.3: not so fresh", stored("max-age=10"), (control("min-fresh=5"),), PLAIN, 5.1, ASK),
        ("§5.2.1.2: takes it stale", stored("max-age=10"), (control("max-stale=5"),), PLAIN, 15, Serve(stale=True)),
        ("§5.2.1.2: as stale as it is", stored("max-age=10"), (control("max-stale"),), PLAIN, 1e6, Serve(stale=True)),
        ("§5.2.1.2: too stale", stored("max-age=10"), (control("max-stale=5"),), PLAIN, 15.1, ASK),
        ("§5.2.2.2: forbidden", stored("max-age=9, must-revalidate"), (control("max-stale"),), PATIENT, 10, ASK),
        ("§5.2.2.8: forbidden", stored("max-age=9, proxy-revalidate"), (control("max-stale"),), PATIENT, 10, ASK),
        ("§5.2.2.10: forbidden", stored("s-maxage=9"), (control("max-stale"),), PATIENT, 10, ASK),
        ("§5.2.1.7: nothing here", None, (control("only-if-cached"),), PLAIN, 0,
         Refuse(504, "only-if-cached, and nothing fresh is stored")),
        ("§5.2.1.7: fresh", stored("max-age=9"), (control("only-if-cached"),), PLAIN, 1, Serve()),
        ("RFC 5861 §3", stored("max-age=10, stale-while-revalidate=5"), (), PLAIN, 14.9, Serve(refresh=True)),
        ("RFC 5861 §3: over", stored("max-age=10, stale-while-revalidate=5"), (), PLAIN, 15, ASK),
        ("the tier adds", stored("max-age=10"), (), PATIENT, 29.9, Serve(refresh=True)),
        ("the longer counts", stored("max-age=10, stale-while-revalidate=5"), (), PATIENT, 29, Serve(refresh=True)),
        ("the tier's patience", stored("max-age=10"), (), PATIENT, 30, Revalidate("etag", 2)),
        ("the tier's patience ends", stored("max-age=10"), (), PATIENT, 110, ASK),
        ("a client's limit beats it", stored("max-age=10"), (control("max-age=5"),), PATIENT, 12,
         Revalidate("etag", 2)),
        ("RFC 8246: a reload", stored("max-age=10, immutable"), (control("max-age=0"),), PLAIN, 5, Serve()),
        ("RFC 8246: by force", stored("max-age=10, immutable"), (control("no-cache"),), PLAIN, 5, ASK),
        ("RFC 8246: once stale", stored("max-age=10, immutable"), (control("max-age=0"),), PLAIN, 10, ASK),
        ("the clock went back", stored("max-age=10"), (), PATIENT, -1, ASK),
    ],
)  # fmt: skip
def test_what_to_do_with_what_is_stored(
    section: str, response: Response | None, request_fields: Fields, terms: Terms, after: float, expected: Reuse
) -> None:
    assert reuse(response, request_fields, terms, NOW + after) == expected, section


CUT = Failed(FailureClass.CONNECT)


@pytest.mark.parametrize(
    ("section", "response", "terms", "upstream", "after", "expected"),
    [
        ("§4.2.4: nothing permits it", stored("max-age=10"), PLAIN, CUT, 11, False),
        ("RFC 5861 §4", stored("max-age=10, stale-if-error=5"), PLAIN, CUT, 14.9, True),
        ("RFC 5861 §4: over", stored("max-age=10, stale-if-error=5"), PLAIN, CUT, 15, False),
        ("RFC 5861 §4: 503", stored("max-age=10, stale-if-error=5"), PLAIN, Answered(503), 11, True),
        ("RFC 5861 §4: 501 is no error", stored("max-age=10, stale-if-error=5"), PLAIN, Answered(501), 11, False),
        ("the tier adds", stored("max-age=10"), PATIENT, CUT, 109, True),
        ("the tier's own classes", stored("max-age=10"), PATIENT, Answered(429), 109, True),
        ("and no others", stored("max-age=10"), PATIENT, Answered(503), 11, False),
        ("for ever", stored("max-age=10"), FOR_EVER, CUT, 1e9, True),
        ("for ever, though the clock went back", stored("max-age=10"), FOR_EVER, CUT, -1, True),
        ("§5.2.2.2 wins", stored("max-age=10, must-revalidate, stale-if-error=99"), FOR_EVER, CUT, 11, False),
        ("§5.2.2.8 wins", stored("max-age=10, proxy-revalidate"), FOR_EVER, CUT, 11, False),
        ("§5.2.2.10 wins", stored("s-maxage=10"), FOR_EVER, CUT, 11, False),
        ("§5.2.2.4 wins", stored("max-age=10, no-cache"), FOR_EVER, CUT, 11, False),
        ("nothing is stored", None, FOR_EVER, CUT, 0, False),
    ],
)
def test_what_stands_in_for_an_origin_that_failed(
    section: str, response: Response | None, terms: Terms, upstream: Answered | Failed, after: float, expected: bool
) -> None:
    assert stands_in(response, terms, upstream, NOW + after) is expected, section


def test_the_origin_is_asked_with_every_validator_there_is() -> None:
    both = stored("max-age=1", ("ETag", 'W/"a"'), at(-9, "Last-Modified"))
    assert conditions(both) == (("If-None-Match", 'W/"a"'), ("If-Modified-Since", date_text(NOW - 9)))
    assert conditions(stored("max-age=1")) == ()


@pytest.mark.parametrize(
    ("stored_tag", "said", "expected"),
    [
        ('"a"', None, True),
        ('"a"', '"a"', True),
        ('"a"', 'W/"a"', True),
        ('"a"', '"b"', False),
        (None, '"b"', False),
        (None, None, True),
    ],
)
def test_a_304_is_about_the_response_whose_tag_it_names(
    stored_tag: str | None, said: str | None, expected: bool
) -> None:
    old = stored("max-age=1", *((("ETag", stored_tag),) if stored_tag else ()))
    assert is_about(old, head(*((("ETag", said),) if said else ()), status=304)) is expected


def test_a_304_replaces_fields_and_the_age_begins_again() -> None:
    old = stored("max-age=1", ("Content-Encoding", "gzip"), ("X", "1"), ("X", "2"), ("Y", "3"), ("Age", "99"))
    said = head(control("max-age=60"), ("X", "4"), ("Content-Encoding", "br"), ("Content-Length", "0"), status=304)
    new = freshened(old, said, NOW + 10, NOW + 10)
    assert (new.status, lifetime(new), age(new, NOW + 11)) == (200, 60, 1)
    assert [value for name, value in new.fields if name == "X"] == ["4"]
    assert (field(new.fields, "content-encoding"), field(new.fields, "y")) == ("gzip", "3")
    assert field(new.fields, "date") == date_text(NOW + 10)
    assert field(new.fields, "content-length") is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (head(("ETag", '"a"'), ("Content-Length", "4")), True),
        (head(), True),
        (head(("ETag", '"b"')), False),
        (head(at(0, "Last-Modified")), False),
        (head(("Content-Length", "5")), False),
        (head(("Content-Length", "four")), False),
        (head(status=404), False),
    ],
)
def test_a_head_describes_what_is_stored_or_does_not(said: Head, expected: bool) -> None:
    assert is_same(stored("max-age=1", ("ETag", '"a"')), 4, said) is expected


@pytest.mark.parametrize(
    ("value", "more", "terms", "expected"),
    [
        ("max-age=10", (), PLAIN, True),
        ("no-cache", (), PLAIN, False),
        ("no-cache", (("ETag", '"a"'),), PLAIN, True),
        ("max-age=0", (), PLAIN, False),
        ("max-age=0", (), PATIENT, True),
        ("max-age=0", (), FOR_EVER, True),
        ("max-age=0", (), Terms(fresh=Origin(), stale_while_revalidate=1), True),
        ("max-age=0, must-revalidate", (), PATIENT, False),
        ("max-age=0, stale-if-error=9", (), PLAIN, True),
    ],
)
def test_what_could_never_be_served_again_is_not_worth_its_place(
    value: str, more: Fields, terms: Terms, expected: bool
) -> None:
    assert is_useful(stored(value, *more), terms) is expected


def test_a_body_whose_end_nobody_announced_may_be_half() -> None:
    assert is_whole(head(("Content-Length", "4")))
    assert is_whole(head(("Transfer-Encoding", "gzip, chunked")))
    assert is_whole(head(status=204))
    assert not is_whole(head())
