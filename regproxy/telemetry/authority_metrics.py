"""What is counted of the CA: certificates that it made, who fetched it, and how the reloads of its files went."""

from typing import assert_never

from regproxy.model.ca_event import CaNoticed, CaReloaded, CertificatesFetched, LeafIssued
from regproxy.telemetry.tally import Tally


class AuthorityMetrics:
    """Counts it; the numbers are the tally's."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._tally.count("ca_last_reload_successful").value = 1

    def observe(self, event: CaReloaded | CaNoticed | LeafIssued | CertificatesFetched) -> None:
        """Count one event; what a certificate's dates say is asked for at each scrape."""
        match event:
            case CaReloaded(result=result):
                self._tally.count("ca_reloads", result).value += 1
                self._tally.count("ca_last_reload_successful").value = result != "failure"
            case LeafIssued():
                self._tally.count("leaf_certificates_minted").value += 1
            case CertificatesFetched():
                self._tally.count("ca_fetches").value += 1
            case CaNoticed():
                pass
            case _:
                assert_never(event)
