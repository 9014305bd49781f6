"""Which policy runs, and how the reloads went."""

from regproxy.model.event import PolicyReloaded, PolicyStarted
from regproxy.telemetry.tally import Tally


class PolicyMetrics:
    """Notes starts and reloads; the numbers are the tally's."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def started(self, event: PolicyStarted) -> None:
        """The proxy begins to serve."""
        self._runs(event)
        self._set("resumed", event.resumed)
        self._set("last_reload_successful", not event.resumed)
        if not event.resumed:
            self._set("last_reload_success_timestamp_seconds", event.at)

    def reloaded(self, event: PolicyReloaded) -> None:
        """A reload ended, well or not."""
        self._tally.count("policy_reloads", event.result).value += 1
        self._tally.spread("policy_reload_duration_seconds").observe(event.milliseconds / 1000)
        self._set("last_reload_successful", event.result != "failure")
        if event.result != "failure":
            self._set("resumed", False)
            self._set("last_reload_success_timestamp_seconds", event.at)
            self._runs(event)

    def _runs(self, event: PolicyStarted | PolicyReloaded) -> None:
        self._tally.clear("policy_info")
        self._tally.count("policy_info", event.checksum).value = 1
        self._tally.clear("credential_lent_to_any")
        for registry in event.exposed:
            self._tally.count("credential_lent_to_any", registry).value = 1

    def _set(self, name: str, value: float) -> None:
        self._tally.count(f"policy_{name}").value = value
