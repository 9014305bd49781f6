"""What the processes say of themselves: how late their loops are, what they take, who is connected."""

from typing import assert_never

from regproxy.model.measure import EdgeMeasured, ProcessEnded, ProcessMeasured, Pulse
from regproxy.telemetry import labels as by
from regproxy.telemetry.tally import Tally


class ProcessMetrics:
    """Owns what each edge has open: what is shown is the sum."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._edges: dict[str, EdgeMeasured] = {}

    def observe(self, pulse: Pulse) -> None:
        """Note what a process said."""
        match pulse:
            case ProcessMeasured(process=process):
                lags = self._tally.spread("event_loop_lag_seconds", process)
                for lag in pulse.lags:
                    lags.observe(lag)
                self._tally.count("cpu_seconds", process).value += pulse.cpu
                self._tally.count("resident_memory_bytes", process).value = pulse.memory
            case EdgeMeasured(process=process):
                self._tally.count("client_tls_handshakes", "ok").value += pulse.handshakes
                self._count(pulse)
                self._edges[process] = pulse
                self._show()
            case ProcessEnded(process=process):
                self._tally.count("resident_memory_bytes", process).value = 0
                self._edges.pop(process, None)
                self._show()
            case _:
                assert_never(pulse)

    def _count(self, pulse: EdgeMeasured) -> None:
        for reason in by.TURNED_AWAY.values:
            self._tally.count("client_connections_turned_away", reason).value += getattr(pulse.turned_away, reason)
        self._tally.count("client_waits").value += pulse.waits

    def _show(self) -> None:
        edges = self._edges.values()
        self._tally.count("http_requests_in_flight").value = sum(edge.in_flight for edge in edges)
        self._tally.count("client_connections", "active").value = sum(edge.active for edge in edges)
        self._tally.count("client_connections", "idle").value = sum(edge.idle for edge in edges)
