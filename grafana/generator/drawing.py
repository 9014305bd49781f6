"""Panels in Grafana's own model: what each kind looks like, and what all of them share."""

import zlib
from typing import assert_never

from grafana_foundation_sdk.builders import bargauge, heatmap, logs, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import heatmap as heat

from grafana.generator.fields import DASHED, coloured, columns_of, named, transformations_of, whole
from grafana.generator.panel import (
    PER_MINUTE,
    Graph,
    Heatmap,
    LogGraph,
    LogLines,
    Number,
    Panel,
    Table,
    Timeline,
    TopLogs,
)
from grafana.generator.targets import source_of, targets_of

LAST = options.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")
BELOW = options.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM)
ALL_SORTED = options.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)


def identifier(title: str) -> int:
    """A panel's number, from its title: links to a panel stay good when others come and go."""
    return zlib.crc32(title.encode()) % 1_000_000


def draw(panel: Panel, x: int, y: int) -> dashboard.Panel:
    """A panel at its place in the grid."""
    drawn = _drawn(panel)
    drawn.id_val = identifier(panel.title)
    drawn.title, drawn.description = panel.title, panel.description
    drawn.grid_pos = dashboard.GridPos(panel.height, panel.width, x, y)
    drawn.datasource, drawn.targets = source_of(panel), targets_of(panel)
    drawn.field_config = drawn.field_config or dashboard.FieldConfigSource()
    drawn.field_config.defaults.unit = panel.unit
    return drawn


def _drawn(panel: Panel) -> dashboard.Panel:
    match panel:
        case Number():
            return _number(panel)
        case Graph() | LogGraph():
            return _graph(panel)
        case Heatmap():
            return _heatmap()
        case Timeline(states=states):
            return statetimeline.Panel().mappings([named(states)]).fill_opacity(80).legend(BELOW).build()
        case Table():
            drawn = table.Panel().transformations(transformations_of(panel)).filterable(True).min_width(80)
            for name, properties in columns_of(panel):
                drawn.override_by_name(name, properties)
            return drawn.build()
        case TopLogs():
            horizontal = bargauge.Panel().orientation(common.VizOrientation.HORIZONTAL)
            return horizontal.display_mode(common.BarGaugeDisplayMode.BASIC).reduce_options(LAST).min(0).build()
        case LogLines():
            return logs.Panel().show_time(True).wrap_log_message(True).enable_log_details(True).build()
        case _:
            assert_never(panel)


def _number(panel: Number) -> dashboard.Panel:
    steps = [
        dashboard.Threshold(None, panel.first),
        *(dashboard.Threshold(value, colour) for value, colour in panel.steps),
    ]
    number = (
        stat.Panel()
        .thresholds(builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps))
        .no_value(panel.empty)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE)
        .color_mode(common.BigValueColorMode.VALUE)
        .reduce_options(LAST)
    )
    if panel.states:
        number.mappings([named(panel.states)])
    return number.build()


def _graph(panel: Graph | LogGraph) -> dashboard.Panel:
    lines = timeseries.Panel().min(0).line_width(1).fill_opacity(10).show_points(common.VisibilityMode.AUTO)
    lines.tooltip(ALL_SORTED).legend(BELOW)
    if panel.most is not None:
        lines.max(panel.most)
    if panel.unit == PER_MINUTE:
        # Grafana would hold nothing at all against a hundred.
        lines.axis_soft_max(1)
    if panel.empty:
        lines.no_value(panel.empty)
    if panel.stacked:
        lines.fill_opacity(60).stacking(options.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    for pattern, properties in coloured(panel.colours):
        lines.override_by_regexp(pattern, properties)
    if panel.bounds:
        lines.override_by_regexp(whole(panel.bounds), DASHED)
    return lines.build()


def _heatmap() -> dashboard.Panel:
    colours = (
        heatmap.HeatmapColorOptions()
        .mode(heat.HeatmapColorMode.SCHEME)
        .scheme("Oranges")
        .scale(heat.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
    )
    seconds = heatmap.YAxisConfig().unit("s").axis_placement(common.AxisPlacement.LEFT)
    return heatmap.Panel().calculate(False).color(colours).y_axis(seconds).show_legend().build()
