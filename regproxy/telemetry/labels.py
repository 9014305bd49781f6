"""The labels of metrics and the closed sets of their values; never a repository, a tag, a digest or a client."""

from http import HTTPStatus
from typing import get_args

from regproxy.model.decision import FailureClass
from regproxy.model.event import Decided, HandshakeCause, Outcome
from regproxy.model.oci import Kind
from regproxy.model.pull_event import PullOutcome
from regproxy.model.stale import StaleReason
from regproxy.telemetry.metric import OTHER, Label

MAX_REGISTRIES = 50  # names of registry blocks, over all reloads
MAX_TIERS = 100
MAX_ACCOUNTS = 10
MAX_PROCESSES = 65

_OUTCOMES = tuple(map(str, Outcome))
_FAILURES = tuple(map(str, FailureClass))
# Nearly all that is pulled; series of other kinds come with their first request.
_PULLED = ("manifest", "blob")
_CODES = ("none", *(str(int(status)) for status in HTTPStatus if status >= HTTPStatus.OK))


def _closed(name: str, *values: str) -> Label:
    return Label(name, values, values)


REGISTRY = Label("registry", most=MAX_REGISTRIES, named=True)
TIER = Label("tier", most=MAX_TIERS, named=True)
ACCOUNT = Label("account", most=MAX_ACCOUNTS)
KIND = Label("kind", (*map(str, Kind), "ping", "token", OTHER), _PULLED)
PURPOSE = Label("purpose", ("manifest", "blob", "upload", "list", "token", "ping", OTHER), (*_PULLED, "token"))
METHOD = Label("method", ("GET", "HEAD", OTHER))
CODE = Label("code", _CODES)
OUTCOME = _closed("outcome", *_OUTCOMES)
SOURCE = _closed("source", "cache", "fill", "upstream", "proxy")
DECISION = _closed("decision", *get_args(Decided))
HANDSHAKE = _closed("result", "ok", *get_args(HandshakeCause))
CONNECTION = _closed("state", "active", "idle")
TURNED_AWAY = _closed("reason", "address", "idle", "preparing")
STALENESS = _closed("reason", *get_args(StaleReason))
SLOT = _closed("state", "busy", "idle")
PROCESS = Label("process", most=MAX_PROCESSES)
DIRECTION = _closed("direction", "sent", "received")
FAILURE = _closed("reason", *_FAILURES)
THROTTLE = _closed("reason", "pull_limit", "abuse", "client")
WHERE = _closed("where", "upstream", "disk")
EVICTION = _closed("reason", "size", "inactive", "min-free", "damaged")
OPERATION = _closed(
    "operation",
    *"open read write reserve commit record look-up invalidate discard evict touch maintain last-good".split(),
)
RELOAD = _closed("result", "success", "unchanged", "failure")
PULL = _closed("outcome", *get_args(PullOutcome))
TOKEN = _closed("result", "ok", "denied", "error")
CHECKSUM = Label("checksum", most=1)
BUILD = tuple(Label(name, most=1) for name in ("version", "python", "libcurl", "openssl"))
