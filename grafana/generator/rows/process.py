"""Process: is the machine, or Python, the bottleneck?"""

from grafana.generator.panel import Graph, Query, Row
from grafana.generator.promql import quantile, rate, series, total

PROCESS = ("instance", "process")
PROCESSES = Row(
    "Processes",
    (
        Graph(
            title="Are the event loops held up?",
            description="How late 1% of timers are at least. Above 0.25 s all clients of the process wait.",
            unit="s",
            queries=(Query(quantile(0.99, "regproxy_event_loop_lag_seconds", *PROCESS), "{{instance}} {{process}}"),),
        ),
        Graph(
            title="How busy are the processes?",
            description="CPUs used. A process runs on one at a time: at 1 it is the bottleneck.",
            unit="short",
            queries=(Query(total(rate("regproxy_cpu_seconds_total"), *PROCESS), "{{instance}} {{process}}"),),
        ),
        Graph(
            title="How much memory do the processes take?",
            description="Resident memory.",
            unit="bytes",
            queries=(Query(total(series("regproxy_resident_memory_bytes"), *PROCESS), "{{instance}} {{process}}"),),
        ),
        Graph(
            title="Are there enough file descriptors?",
            description="Open descriptors of the core as a share of its limit.",
            unit="percentunit",
            queries=(Query(f"{series('process_open_fds')} / {series('process_max_fds')}", "{{instance}}"),),
            most=1,
        ),
        Graph(
            title="Is the log complete?",
            description="Lines per second that could not be written and dropped; the proxy never waits for its log.",
            unit="ops",
            queries=(Query(total(rate("regproxy_log_dropped_lines_total"), "instance"), "{{instance}}"),),
        ),
        Graph(
            title="How long does a scrape take?",
            description="Time to write the page of metrics.",
            unit="s",
            queries=(Query(series("regproxy_scrape_seconds"), "{{instance}}"),),
        ),
    ),
)
