"""Plain numbers: under the labels of the catalogue, bounded in number, whatever comes."""

import pytest

from regproxy.telemetry import metric as rows
from regproxy.telemetry.metric import Label, Metric
from regproxy.telemetry.tally import Tally

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
    tally = Tally([PAINT])
    for labels in (("red", "dark"), ("red", "light"), ("red", "third"), ("black", "dark"), ("grey", "dark")):
        tally.count("paint", *labels).value += 1
    assert counts(tally, "paint") == {
        ("red", "dark"): 1,
        ("red", "light"): 1,
        ("red", "other"): 1,
        ("other", "dark"): 2,
    }


def test_names_of_the_policy_have_their_series_at_once_and_later_ones_are_other() -> None:
    tally = Tally([SHOP])
    assert set(counts(tally, "shop")) == {("other", "red"), ("other", "blue")}
    tally.name(NAMED, ["b", "a", "c"])
    assert set(counts(tally, "shop")) == {(name, colour) for name in ("a", "b", "other") for colour in ("red", "blue")}
    tally.count("shop", "c", "red").value = 7
    assert counts(tally, "shop")["other", "red"] == 7


def test_beyond_its_bound_a_metric_grows_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_CHILDREN", 3)
    tally = Tally([PAINT])
    for colour in ("red", "blue", "green"):
        for shade in ("dark", "light"):
            tally.count("paint", colour, shade).value += 1
    assert counts(tally, "paint") == {("red", "dark"): 1, ("red", "light"): 1, ("other", "other"): 4}


def test_a_bucket_holds_its_bound_and_the_last_one_all_beyond() -> None:
    tally = Tally([WAIT])
    for value in (0.5, 1.0, 1.5, 10.0, 11.0, 1e9):
        tally.spread("wait").observe(value)
    (found,) = tally.sampled()
    assert found.spreads == (((), (2, 2, 2), 1e9 + 24.0),)


def test_what_was_sampled_does_not_change() -> None:
    tally = Tally([WAIT, SHOP])
    sampled = tally.sampled()
    tally.spread("wait").observe(1.0)
    tally.count("shop", "other", "red").value += 1
    assert sampled != tally.sampled()
    assert sampled[0].spreads == (((), (0, 0, 0), 0.0),)


def test_labels_that_a_metric_does_not_have_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="paint has the labels colour, shade"):
        Tally([PAINT]).count("paint", "red")
