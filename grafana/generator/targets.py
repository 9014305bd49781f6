"""The queries of a panel, as Prometheus or Loki is asked them."""

from string import ascii_uppercase
from typing import assert_never

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, loki, prometheus

from grafana.generator.panel import (
    Graph,
    Heatmap,
    LogGraph,
    LogLines,
    Number,
    Panel,
    Query,
    Table,
    Timeline,
    TopLogs,
)

PROMETHEUS = common.DataSourceRef("prometheus", "${datasource}")
LOKI = common.DataSourceRef("loki", "${datasource}")
Shape = prometheus.PromQueryFormat


def source_of(panel: Panel) -> common.DataSourceRef:
    """The data source that answers a panel."""
    return LOKI if isinstance(panel, TopLogs | LogGraph | LogLines) else PROMETHEUS


def targets_of(panel: Panel) -> list[Dataquery]:
    """The queries of a panel, named A, B, C and so on."""
    match panel:
        case Table(columns=columns):
            return [
                _prometheus(ref, Query(column.expression, "__auto"), Shape.TABLE, instant=True)
                for ref, column in zip(ascii_uppercase, columns, strict=False)
            ]
        case Heatmap():
            return [_prometheus(ref, query, Shape.HEATMAP) for ref, query in _referred(panel)]
        case Number():
            return [_prometheus(ref, query, instant=True) for ref, query in _referred(panel)]
        case LogGraph() | LogLines():
            return [_loki(ref, query, "range") for ref, query in _referred(panel)]
        case Graph() | Timeline():
            return [_prometheus(ref, query) for ref, query in _referred(panel)]
        case TopLogs():
            return [_loki(ref, query, "instant") for ref, query in _referred(panel)]
        case _:
            assert_never(panel)


def _referred(panel: Panel) -> list[tuple[str, Query]]:
    return list(zip(ascii_uppercase, panel.queries, strict=False))


def _prometheus(
    ref: str, query: Query, shape: Shape = Shape.TIME_SERIES, *, instant: bool = False
) -> prometheus.Dataquery:
    return prometheus.Dataquery(
        ref_id=ref,
        expr=query.expression,
        legend_format=query.legend,
        format_val=shape,
        instant=instant,
        range_val=not instant,
        editor_mode=prometheus.QueryEditorMode.CODE,
        datasource=PROMETHEUS,
    )


def _loki(ref: str, query: Query, kind: str) -> loki.Dataquery:
    return loki.Dataquery(
        ref_id=ref, expr=query.expression, legend_format=query.legend, query_type=kind, datasource=LOKI
    )
