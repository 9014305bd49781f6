"""Plain numbers: under the labels of the catalogue, bounded in number, whatever comes."""

import pytest

from regproxy.telemetry import metric as rows
from regproxy.telemetry.metric import Label, Metric
from regproxy.telemetry.tally import Exemplar, Histogram, Tally

CLOSED = Label("colour", ("red", "blue", "green"), ("red", "blue"))
COMING = Label("shade", most=2)
NAMED = Label("name", most=2, named=True)
PAINT = Metric("paint", "counter", "Paint.", (CLOSED, COMING), known_later=True)
SHOP = Metric("shop", "gauge", "Shops.", (NAMED, CLOSED))
WAIT = Metric("wait", "histogram", "Waits.", (), (1.0, 10.0))


def counts(tally: Tally, name: str) -> dict[tuple[str, ...], float]:
    (found,) = (one for one in tally.sampled() if one.metric.name == name)
    return dict(found.counts)


def test_a_value_that_its_label_does_not_know_is_other() -> None:
    tally = Tally([PAINT], lambda: 7.0)
    for labels in (("red", "dark"), ("red", "light"), ("red", "third"), ("black", "dark"), ("grey", "dark")):
        tally.count("paint", *labels).value += 1
    assert counts(tally, "paint") == {
        ("red", "dark"): 1,
        ("red", "light"): 1,
        ("red", "other"): 1,
        ("other", "dark"): 2,
    }


def test_names_of_the_policy_have_their_series_at_once_and_later_ones_are_other() -> None:
    tally = Tally([SHOP], lambda: 7.0)
    assert set(counts(tally, "shop")) == {("other", "red"), ("other", "blue")}
    tally.name(NAMED, ["b", "a", "c"])
    assert set(counts(tally, "shop")) == {(name, colour) for name in ("a", "b", "other") for colour in ("red", "blue")}
    tally.count("shop", "c", "red").value = 7
    assert counts(tally, "shop")["other", "red"] == 7


def test_beyond_its_bound_a_metric_grows_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_CHILDREN", 3)
    tally = Tally([PAINT], lambda: 7.0)
    for colour in ("red", "blue", "green"):
        for shade in ("dark", "light"):
            tally.count("paint", colour, shade).value += 1
    assert counts(tally, "paint") == {("red", "dark"): 1, ("red", "light"): 1, ("other", "other"): 4}


def test_a_bucket_holds_its_bound_and_the_last_one_all_beyond() -> None:
    tally = Tally([WAIT], lambda: 7.0)
    for value in (0.5, 1.0, 1.5, 10.0, 11.0, 1e9):
        tally.spread("wait").observe(value)
    (found,) = tally.sampled()
    assert found.spreads == (Histogram((), (2, 2, 2), 1e9 + 24.0, {}),)


def test_what_was_sampled_does_not_change() -> None:
    tally = Tally([WAIT, SHOP], lambda: 7.0)
    sampled = tally.sampled()
    tally.spread("wait").observe(1.0)
    tally.count("shop", "other", "red").value += 1
    assert sampled != tally.sampled()
    assert sampled[0].spreads == (Histogram((), (0, 0, 0), 0.0, {}),)


def test_labels_that_a_metric_does_not_have_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="paint has the labels colour, shade"):
        Tally([PAINT], lambda: 7.0).count("paint", "red")


def test_a_bucket_remembers_its_last_trace() -> None:
    tally = Tally([WAIT], lambda: 7.0)
    for value, trace in ((0.5, "a"), (0.6, "b"), (5.0, ""), (50.0, "c")):
        tally.spread("wait").observe(value, trace)
    (found,) = tally.sampled()
    assert found.spreads[0].exemplars == {0: Exemplar("b", 0.6, 7.0), 2: Exemplar("c", 50.0, 7.0)}
