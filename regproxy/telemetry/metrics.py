"""Which event counts where in the catalogue; nobody else counts."""

from collections.abc import Callable, Iterable
from typing import assert_never

from regproxy.model.ca_event import CaNoticed, CaReloaded, CertificatesFetched, LeafIssued
from regproxy.model.credential_event import CredentialRejected, HelperFailed
from regproxy.model.event import (
    BodyBegan,
    BreakerChanged,
    ConnectFinished,
    DigestMismatched,
    EntryEvicted,
    EntryStored,
    Event,
    ExchangeFinished,
    HandshakeFailed,
    PolicyReloaded,
    PolicyStarted,
    QuotaObserved,
    StoreFailed,
    TunnelClosed,
    UpstreamFinished,
    UpstreamThrottled,
)
from regproxy.model.exchange import AskAnswered, UpstreamAnswered
from regproxy.model.measure import EdgeMeasured, Measured, ProcessEnded, ProcessMeasured
from regproxy.model.pull_event import (
    HoldChanged,
    ImageWarmed,
    LayersPrefetched,
    PullFinished,
    PullSpent,
    UpstreamRetried,
)
from regproxy.telemetry import labels as by
from regproxy.telemetry.authority_metrics import AuthorityMetrics
from regproxy.telemetry.catalogue import CATALOGUE
from regproxy.telemetry.client_metrics import ClientMetrics
from regproxy.telemetry.lately import Lately
from regproxy.telemetry.metric import OTHER
from regproxy.telemetry.policy_metrics import PolicyMetrics
from regproxy.telemetry.process_metrics import ProcessMetrics
from regproxy.telemetry.pull_metrics import PullMetrics
from regproxy.telemetry.state_metrics import StateMetrics
from regproxy.telemetry.store_metrics import StoreMetrics
from regproxy.telemetry.tally import Sampled, Tally
from regproxy.telemetry.upstream_metrics import UpstreamMetrics


class Metrics:
    """Counts events; `registries` and `tiers` are names of the policy, `build` the versions that run.

    `clock` gives seconds since the epoch.
    """

    def __init__(
        self, registries: Iterable[str], tiers: Iterable[str], build: tuple[str, ...], clock: Callable[[], float]
    ) -> None:
        self._tally = Tally(CATALOGUE, clock)
        self._clients = ClientMetrics(self._tally)
        self._store = StoreMetrics(self._tally)
        self._upstream = UpstreamMetrics(self._tally, clock)
        self._pulls = PullMetrics(self._tally)
        self._policy = PolicyMetrics(self._tally)
        self._authority = AuthorityMetrics(self._tally)
        self._processes = ProcessMetrics(self._tally)
        self._state = StateMetrics(self._tally)
        self._tally.count("build_info", *build).value = 1
        self._name(tuple(registries), tuple(tiers))

    def _name(self, registries: tuple[str, ...], tiers: tuple[str, ...]) -> None:
        self._tally.name(by.REGISTRY, registries)
        self._tally.name(by.TIER, tiers)
        self._clients.renamed()
        self._upstream.show((OTHER, *registries))

    @property
    def lately(self) -> Lately:
        """How registries answered lately."""
        return self._upstream.lately

    def sampled(self) -> tuple[Sampled, ...]:
        """Every series as it stands."""
        return self._tally.sampled()

    def measured(self, measured: Measured) -> None:
        """Note how things are."""
        self._state.measured(measured)

    def scraped(self, seconds: float) -> None:
        """Note how long a scrape took."""
        self._tally.count("scrape_seconds").value = seconds

    def observe(self, event: Event) -> None:
        """Count one event."""
        match event:
            case ExchangeFinished() | ConnectFinished() | TunnelClosed() | HandshakeFailed():
                self._clients.observe(event)
            case UpstreamFinished() | UpstreamThrottled() | UpstreamRetried() | BreakerChanged():
                self._upstream.observe(event)
            case CredentialRejected() | HelperFailed():
                self._upstream.observe(event)
            case QuotaObserved() | HoldChanged() | PullSpent() | PullFinished() | LayersPrefetched():
                self._pulls.observe(event)
            case EntryStored() | EntryEvicted() | DigestMismatched() | StoreFailed():
                self._store.observe(event)
            case ProcessMeasured() | EdgeMeasured() | ProcessEnded():
                self._processes.observe(event)
            case CaReloaded() | CaNoticed() | LeafIssued() | CertificatesFetched():
                self._authority.observe(event)
            case PolicyStarted():
                self._policy.started(event)
            case ImageWarmed():
                pass  # what it asked and stored is counted by itself
            case PolicyReloaded(registries=registries, tiers=tiers):
                self._name(registries, tiers)
                self._policy.reloaded(event)
            case BodyBegan() | AskAnswered() | UpstreamAnswered():
                pass
            case _:
                assert_never(event)
