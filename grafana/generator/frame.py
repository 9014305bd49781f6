"""A dashboard around its panels: variables, annotations, links to the others, and the grid."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from grafana.generator.drawing import draw, identifier
from grafana.generator.panel import GRID, Board, Row
from grafana.generator.promql import series
from grafana.generator.targets import LOKI, PROMETHEUS

HEADING = 1
TAG = "regproxy"


def dashboard_of(board: Board) -> dashboard.Dashboard:
    """A board in Grafana's own model."""
    made = (
        builders.Dashboard(board.title)
        .uid(f"regproxy-{board.name}")
        .description(board.description)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .time("now-6h", "now")
        .refresh("30s")
        .version(1)
        .link(
            builders.DashboardLink("Other dashboards")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .variables(_log_variables() if board.logs else _variables(single=board.single))
        .annotations([] if board.logs else _annotations())
        .build()
    )
    made.panels = _laid_out(board.rows)
    return made


def _laid_out(rows: tuple[Row, ...]) -> list[dashboard.Panel | dashboard.RowPanel]:
    """Headings and panels with their places: from left to right, on from the left edge where the width is used up."""
    placed: list[dashboard.Panel | dashboard.RowPanel] = []
    y = 0
    for row in rows:
        heading = dashboard.GridPos(HEADING, GRID, 0, y)
        placed.append(dashboard.RowPanel(title=row.title, id_val=identifier(row.title), grid_pos=heading))
        x, y, height = 0, y + HEADING, 0
        for panel in row.panels:
            if x + panel.width > GRID:
                x, y, height = 0, y + height, 0
            placed.append(draw(panel, x, y))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return placed


def _variables(*, single: bool) -> list[Builder[dashboard.VariableModel]]:
    registry = _labels("registry", "Registry", series("regproxy_upstream_up"))
    return [
        builders.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _every(_labels("job", "Job", "regproxy_build_info")),
        _every(_labels("instance", "Instance", 'regproxy_build_info{job=~"$job"}')),
        registry if single else _every(registry),
    ]


def _log_variables() -> list[Builder[dashboard.VariableModel]]:
    job: dict[str, object] = {"label": "job", "refId": "A", "stream": "", "type": 1}
    return [
        builders.DatasourceVariable("datasource").label("Data source").type("loki"),
        builders.QueryVariable("job")
        .label("Job")
        .query(job)
        .datasource(LOKI)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .regex(".*regproxy.*"),
    ]


def _labels(name: str, label: str, selector: str) -> builders.QueryVariable:
    """A variable with the values of a label, `name` too, of some series."""
    return (
        builders.QueryVariable(name)
        .label(label)
        .query(f"label_values({selector}, {name})")
        .datasource(PROMETHEUS)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )


def _every(variable: builders.QueryVariable) -> builders.QueryVariable:
    """The variable with several values at once, all of them at first."""
    every = dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
    return variable.multi(True).include_all(True).all_value(".+").current(every)


def _annotations() -> list[Builder[dashboard.AnnotationQuery]]:
    loaded = series("regproxy_policy_last_reload_success_timestamp_seconds")
    failed = series("regproxy_policy_reloads_total", 'result="failure"')
    return [
        _mark("Policy loaded", "blue", f"changes({loaded}[$__rate_interval]) > 0"),
        _mark("Policy refused", "red", f"increase({failed}[$__rate_interval]) > 0"),
    ]


def _mark(name: str, colour: str, expression: str) -> builders.AnnotationQuery:
    return (
        builders.AnnotationQuery()
        .name(name)
        .datasource(PROMETHEUS)
        .enable(True)
        .icon_color(colour)
        .expr(expression)
        .title_format(name)
        .text_format("{{instance}}")
        .step("15s")
    )
