"""Exchanges as OpenTelemetry spans, sent to a collector by OTLP over HTTP; needs the extra `regproxy[otel]`.

An exchange with a client is a span, in the client's trace where it names one, and what was asked of a registry for it
is a span below. Neither says which repository it is about, nor who asks.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, set_span_in_context
from opentelemetry.util.types import AttributeValue

from regproxy.model.event import Event, ExchangeFinished, Outcome, UpstreamFinished
from regproxy.model.message import printable
from regproxy.model.trace import Span
from regproxy.telemetry.metric import OTHER

TRACES = "/v1/traces"  # of a collector (OTLP specification, "OTLP/HTTP Request")
MAX_SPANS = 4096  # that wait to be sent; of more the oldest are dropped
MAX_BATCH = 512
SEND_SECONDS = 1.0  # between two batches that are not full
MAX_EXPORT_SECONDS = 5.0
MAX_MILLISECONDS = 1e9  # of one span: eleven days
MAX_CLOSING_SECONDS = 2.0
MIN_COMPLAINT_SECONDS = 60.0
MAX_COMPLAINT = 200
_LOGGER = "opentelemetry"


class _Given(IdGenerator):
    """Gives the ids that an exchange got when it began: its span is made when it has ended."""

    def __init__(self) -> None:
        self.trace, self.span = 0, 0

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span


class _Complaints(logging.Handler):
    """Tells what the library says of itself, from whichever thread, once a minute."""

    def __init__(self, warn: Callable[[str], None], clock: Callable[[], float]) -> None:
        super().__init__(logging.WARNING)
        self._loop = asyncio.get_running_loop()
        self._warn = warn
        self._clock = clock
        self._told_at = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        if now - self._told_at < MIN_COMPLAINT_SECONDS:
            return
        self._told_at = now
        sentence = f"traces: {printable(record.getMessage(), MAX_COMPLAINT)}"
        with suppress(RuntimeError):  # the loop has ended, and with it the log
            self._loop.call_soon_threadsafe(self._warn, sentence)


class Spans:
    """Owns the spans on their way to the collector at `endpoint`; made on the running loop, never waits for anything.

    `clock` gives seconds since the epoch, `token` so many random bytes in hex; `warn` hears of what goes wrong.
    """

    def __init__(
        self,
        endpoint: str,
        version: str,
        clock: Callable[[], float],
        token: Callable[[int], str],
        warn: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._token = token
        self._ids = _Given()
        ours = Resource({"service.name": "regproxy", "service.version": version})
        self._provider = TracerProvider(
            ALWAYS_ON, ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False, id_generator=self._ids
        )
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}{TRACES}", timeout=MAX_EXPORT_SECONDS)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, MAX_SPANS, SEND_SECONDS * 1000, max_export_batch_size=MAX_BATCH)
        )
        self._tracer = self._provider.get_tracer("regproxy", version)
        self._complaints = _Complaints(warn, clock)
        logging.getLogger(_LOGGER).addHandler(self._complaints)

    def observe(self, event: Event) -> None:
        """Send the span of an event, if it has one."""
        match event:
            case ExchangeFinished(span=Span() as span):
                self._exchange(event, span)
            case UpstreamFinished(span=Span() as above):
                self._upstream(event, above)
            case _:
                pass

    def _exchange(self, event: ExchangeFinished, span: Span) -> None:
        labels = event.labels
        failed = event.status >= 500 or labels.outcome is Outcome.ERROR or not event.complete
        self._ids.trace, self._ids.span = int(span.trace, 16), int(span.id, 16)
        self._send(
            f"{event.method} {labels.kind or OTHER}",
            SpanKind.SERVER,
            _below(span.trace, span.parent) if span.parent else Context(),
            (span.began, event.milliseconds),
            {
                "http.request.method": event.method,
                "http.response.status_code": event.status,
                "http.response.body.size": event.bytes,
                "server.address": event.authority,
                "regproxy.registry": labels.registry,
                "regproxy.kind": labels.kind,
                "regproxy.outcome": str(labels.outcome),
                "regproxy.tier": labels.tier,
            },
            failed=failed,
        )

    def _upstream(self, event: UpstreamFinished, above: Span) -> None:
        self._ids.span = int(self._token(8), 16)
        failure = {"error.type": str(event.failure)} if event.failure else {}
        self._send(
            f"{event.method} {event.purpose}",
            SpanKind.CLIENT,
            _below(above.trace, above.id),
            (self._clock() - event.milliseconds / 1000, event.milliseconds),
            {
                "http.request.method": event.method,
                "http.response.status_code": event.status,
                "http.response.body.size": event.bytes,
                "regproxy.registry": event.registry,
                "regproxy.purpose": event.purpose,
                **failure,
            },
            failed=bool(event.failure) or event.status >= 400,
        )

    def _send(
        self,
        name: str,
        kind: SpanKind,
        parent: Context,
        took: tuple[float, float],
        attributes: dict[str, AttributeValue],
        *,
        failed: bool,
    ) -> None:
        """One that began so many seconds after the epoch and took so many milliseconds."""
        began, milliseconds = took
        start = int(began * 1e9)
        made = self._tracer.start_span(name, parent, kind, attributes, start_time=start)
        if failed:
            made.set_status(StatusCode.ERROR)
        made.end(start + int(min(milliseconds, MAX_MILLISECONDS) * 1e6))

    async def close(self) -> None:
        """Send what waits, for a short while; a collector that is away holds nothing up."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def work() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # nobody waited so long
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=work, daemon=True).start()
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), MAX_CLOSING_SECONDS)
        logging.getLogger(_LOGGER).removeHandler(self._complaints)


def _below(trace: str, span: str) -> Context:
    """What is below this span of another program, or of ours and sent already."""
    context = SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(context), Context())
