"""The last exchanges of each image, in bounded memory."""

from regproxy.model.event import EntryStored, ExchangeFinished, Labels, Outcome
from regproxy.model.exchange import AskAnswered, Shown, UpstreamAnswered
from regproxy.telemetry.traces import MAX_EXCHANGES, MAX_IMAGES, Traces

SHOWN = Shown("quay.io", "GET", "/v2/a/b/manifests/1", (("Accept", "*/*"),), 200, (("Etag", "x"),))


def finished(repository: str) -> ExchangeFinished:
    return ExchangeFinished(
        "c", "quay.io", "GET", 200, 1, 1.0, Labels(Outcome.HIT, "quay", "manifest", repository, "1")
    )


def test_what_is_kept_is_told_in_its_order_and_only_of_this_image() -> None:
    traces = Traces(lambda: 1_000_000.25)
    traces.observe(UpstreamAnswered("quay", "a/b", SHOWN, "", 12.34))
    traces.observe(AskAnswered("10.0.0.1", "quay", "a/b", "miss", "tags", SHOWN))
    traces.observe(finished("a/b"))
    for other in (finished("x/y"), finished(""), EntryStored("blob", 1)):
        traces.observe(other)
    upstream, answer, request = traces.of("quay", "a/b")
    message = {
        "authority": "quay.io", "method": "GET", "path": "/v2/a/b/manifests/1", "request": [["Accept", "*/*"]],
        "status": 200, "answer": [["Etag", "x"]],
    }  # fmt: skip
    time = {"time": "1970-01-12T13:46:40.250Z"}
    assert upstream == time | message | {"event": "upstream", "failure": "", "milliseconds": 12.3}
    assert answer == time | message | {"event": "answer", "client": "10.0.0.1", "outcome": "miss", "tier": "tags"}
    assert (request["event"], request["outcome"]) == ("request", "hit")
    assert traces.of("quay", "") == traces.of("other", "a/b") == []


def test_images_and_exchanges_are_bounded_and_the_quietest_image_goes_first() -> None:
    traces = Traces(lambda: 0.0)
    for _ in range(2 * MAX_EXCHANGES):
        traces.observe(finished("busy"))
    assert len(traces.of("quay", "busy")) == MAX_EXCHANGES
    for number in range(MAX_IMAGES - 1):
        traces.observe(finished(f"a/{number}"))
    traces.observe(finished("busy"))
    traces.observe(finished("one-more"))
    assert traces.of("quay", "busy")
    assert traces.of("quay", "a/0") == []
    assert traces.of("quay", "a/1")
