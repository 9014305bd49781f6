"""The catalogue as a page for people, and as objects for programs."""

from regproxy.telemetry.aliases import ALIASES
from regproxy.telemetry.catalogue import CATALOGUE, GROUPS
from regproxy.telemetry.metric import Label, Metric

_HEAD = """# Metrics

<!-- Made by `regproxy metrics --markdown`. -->

What `/metrics` serves, beside `process_*` and `python_*`, which are the core process's own. Every label takes its
values from a closed set, or names of the policy, or the first few that come; whatever else comes is counted under
`other`. A repository, a tag, a digest or a client is never a label: the log has them.
"""


_ALIASES = """## Aliases

With `--metrics-aliases`, for dashboards and alerts that were made for an exporter of Docker Hub's limit: the same
numbers of the registry block that has `registry-1.docker.io`, under the names that viadee's exporter, drl-exporter and
their kin give them. Those ask Docker Hub now and then from where they run; these are what it said to real pulls.

| name | type | labels | what it says |
|---|---|---|---|
"""


def markdown() -> str:
    """The reference, one table for each group."""
    parts = [_HEAD]
    for group, metrics in GROUPS.items():
        rows = "\n".join(_row(metric) for metric in metrics)
        parts.append(f"## {group}\n\n| name | type | labels | what it says |\n|---|---|---|---|\n{rows}\n")
    parts.append(_ALIASES + "\n".join(_row(alias) for _, alias in ALIASES) + "\n")
    labels = {label.name: label for metric in CATALOGUE for label in metric.labels if not label.values}
    rows = "\n".join(f"| `{label.name}` | {_open(label)} |" for label in labels.values())
    parts.append(f"## Labels without a closed set\n\n| label | values |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


def objects() -> list[dict[str, object]]:
    """One object for each metric."""
    return [
        {
            "name": metric.family,
            "type": metric.type,
            "queried": list(metric.queried),
            "labels": {label.name: list(label.values) for label in metric.labels},
            "buckets": list(metric.buckets),
            "help": metric.help,
        }
        for metric in CATALOGUE
    ]


def _row(metric: Metric) -> str:
    name = metric.queried[0] if metric.type != "histogram" else metric.family
    buckets = f" Buckets: {' '.join(f'{bucket:g}' for bucket in metric.buckets)}." if metric.buckets else ""
    return f"| `{name}` | {metric.type} | {', '.join(map(_label, metric.labels))} | {metric.help}{buckets} |"


def _label(label: Label) -> str:
    # A set of many values is told by its name alone: codes of HTTP, kinds of requests.
    return f"`{label.name}`: {' '.join(label.values)}" if 0 < len(label.values) <= 16 else f"`{label.name}`"


def _open(label: Label) -> str:
    if label.named:
        return f"names of the policy, at most {label.most} over all reloads, and `other`"
    return "the one that runs" if label.most == 1 else f"the first {label.most} that come, and `other`"
