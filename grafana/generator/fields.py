"""How values look: colours by name, states by value, columns of tables."""

from collections.abc import Iterator, Mapping
from string import ascii_uppercase

from grafana_foundation_sdk.models import dashboard

from grafana.generator.panel import Colour, States, Table

Properties = list[dashboard.DynamicConfigValue]
DASHED: Properties = [
    dashboard.DynamicConfigValue("custom.fillOpacity", 0),
    dashboard.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
]


def named(states: States) -> dashboard.ValueMapping:
    """Words and colours in place of the numbers that stand for states."""
    return dashboard.ValueMap(
        {
            str(value): dashboard.ValueMappingResult(text=word, color=colour, index=index)
            for index, (value, word, colour) in enumerate(states)
        }
    )


def whole(pattern: str) -> str:
    """The pattern, of whole names."""
    return f"^(?:{pattern})$"


def coloured(colours: Mapping[str, Colour]) -> Iterator[tuple[str, Properties]]:
    """For each pattern of names the override that gives its series their colour; where it fits several, shades."""
    for pattern, colour in colours.items():
        value = {"mode": "fixed" if pattern.replace(" ", "_").isidentifier() else "shades", "fixedColor": colour}
        yield whole(pattern), [dashboard.DynamicConfigValue("color", value)]


def columns_of(table: Table) -> Iterator[tuple[str, Properties]]:
    """For each column of a table its unit, and its states as coloured text."""
    for column in table.columns:
        properties = [dashboard.DynamicConfigValue("unit", column.unit)]
        if column.states:
            properties += [
                dashboard.DynamicConfigValue("mappings", [named(column.states)]),
                dashboard.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            ]
        yield column.name, properties


def transformations_of(table: Table) -> list[dashboard.DataTransformerConfig]:
    """The answers of a table's queries side by side, one row for each value of the labels, in the order we say."""
    answers = {f"Value #{ref}": column.name for ref, column in zip(ascii_uppercase, table.columns, strict=False)}
    names = dict(table.rows) | answers
    places = {name: place for place, name in enumerate(names)}
    return [
        dashboard.DataTransformerConfig(id_val="merge", options={}),
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={"excludeByName": {"Time": True}, "indexByName": places, "renameByName": names},
        ),
    ]
