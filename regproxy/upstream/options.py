"""Every libcurl option of a request, in one place: what is set here is all that decides how we speak to an upstream."""

from collections.abc import Mapping

import pycurl

from regproxy import __version__
from regproxy.model.egress import TlsVersion
from regproxy.model.message import end_to_end, field, without
from regproxy.model.registry import ParentProxy
from regproxy.upstream.request import Limits, UpstreamRequest
from regproxy.upstream.trust import TrustBundle

# Blobs and other paths have connections of their own, one transfer on each: a layer must not hold a manifest up.
LARGE = frozenset({"blob", "upload", "other"})
USER_AGENT = f"regproxy/{__version__}"
_LIFETIME_OF_CONNECTIONS = 600
_TLS_VERSIONS: Mapping[TlsVersion, int] = {"1.2": pycurl.SSLVERSION_TLSv1_2, "1.3": pycurl.SSLVERSION_TLSv1_3}
# CURLOPT_SUPPRESS_CONNECT_HEADERS (curl/curl.h), which pycurl has no name for.
_SUPPRESS_CONNECT_HEADERS = 265
# libcurl writes these itself, from the URL and the body.
_WRITTEN_BY_LIBCURL = frozenset({"host", "content-length", "expect"})
_OURS = frozenset({"accept-encoding", "user-agent"})
# What libcurl would add unasked; a name without a value takes it out.
_UNASKED = ("Accept", "User-Agent", "Content-Type")


def set_options(
    curl: pycurl.Curl, request: UpstreamRequest, limits: Limits, trust: TrustBundle, *, multiplexes: bool, ipv6: bool
) -> None:
    """Set all options but the callbacks and the body; the handle comes fresh from `reset`.

    `multiplexes` says that the upstream spoke HTTP/2 when it was last asked.
    """
    _set_transport(curl, limits)
    curl.setopt(pycurl.IPRESOLVE, pycurl.IPRESOLVE_WHATEVER if ipv6 else pycurl.IPRESOLVE_V4)
    _set_version(curl, small=request.purpose not in LARGE, multiplexes=multiplexes)
    _set_tls(curl, request, trust)
    curl.setopt(pycurl.URL, f"{request.scheme}://{request.authority}/")
    # The target is sent as it stands: no dot segment is resolved, nothing is escaped.
    curl.setopt(pycurl.REQUEST_TARGET, request.target.encode("latin-1"))
    protocol = pycurl.PROTO_HTTPS if request.scheme == "https" else pycurl.PROTO_HTTP
    curl.setopt(pycurl.PROTOCOLS, protocol)
    curl.setopt(pycurl.HTTPHEADER, header_lines(request))
    _set_way_out(curl, request.registry.proxy)
    dial = [f"{entry.authority}:{entry.target}" for entry in request.registry.connect_to]
    curl.setopt(pycurl.CONNECT_TO, dial)
    match request.method:
        case "GET":
            pass
        case "HEAD":
            curl.setopt(pycurl.NOBODY, 1)
        case method:
            curl.setopt(pycurl.CUSTOMREQUEST, method)


def _set_transport(curl: pycurl.Curl, limits: Limits) -> None:
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.HTTP09_ALLOWED, 0)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(limits.connect * 1000))
    # No bound on the whole: a large blob may take hours, as long as it moves.
    curl.setopt(pycurl.TIMEOUT_MS, 0)
    curl.setopt(pycurl.LOW_SPEED_LIMIT, limits.slowest)
    curl.setopt(pycurl.LOW_SPEED_TIME, limits.stall)
    curl.setopt(pycurl.TCP_KEEPALIVE, 1)
    # A pooled connection was vetted when it was opened: it must not outlive a change of policy for long.
    curl.setopt(pycurl.MAXLIFETIME_CONN, _LIFETIME_OF_CONNECTIONS)
    curl.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)


def _set_way_out(curl: pycurl.Curl, proxy: ParentProxy | None) -> None:
    """Straight, or through the proxy that the policy names: by CONNECT always, so that it sees no request."""
    # libcurl would take a proxy from the environment, and that proxy may well be us.
    curl.setopt(pycurl.PROXY, proxy.url if proxy is not None else "")
    curl.setopt(pycurl.NOPROXY, "" if proxy is not None else "*")
    curl.setopt(pycurl.HTTPPROXYTUNNEL, int(proxy is not None))
    curl.setopt(_SUPPRESS_CONNECT_HEADERS, 1)
    # The fields of the request, credentials among them, are not for the proxy.
    curl.setopt(pycurl.HEADEROPT, pycurl.HEADER_SEPARATE)


def _set_version(curl: pycurl.Curl, *, small: bool, multiplexes: bool) -> None:
    """HTTP/2 for what is small, where the upstream offers it: many requests on one connection.

    Chunks of HTTP/2 are a third of a TLS record: HTTP/1.1 costs half the CPU for what is large.
    """
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS if small else pycurl.CURL_HTTP_VERSION_1_1)
    # Wait for a connection that is being made and can carry this request as well, rather than make another. Only where
    # it will: before an upstream of HTTP/1.1 libcurl would wait for the first answer, and one silence hold all up.
    curl.setopt(pycurl.PIPEWAIT, int(small and multiplexes))


def _set_tls(curl: pycurl.Curl, request: UpstreamRequest, trust: TrustBundle) -> None:
    settings = request.registry.tls
    curl.setopt(pycurl.SSLVERSION, _TLS_VERSIONS[settings.min_version])
    curl.setopt(pycurl.SSL_VERIFYPEER, int(settings.verify))
    curl.setopt(pycurl.SSL_VERIFYHOST, 2 if settings.verify else 0)
    curl.setopt(pycurl.CAINFO, trust.path)
    if trust.client is not None and request.registry.knows_us(request.authority):
        curl.setopt(pycurl.SSLCERT, trust.client)
        curl.setopt(pycurl.SSLKEY, trust.client)
    # Without a directory libcurl keeps the parsed bundle between connections.
    curl.unsetopt(pycurl.CAPATH)


def header_lines(request: UpstreamRequest) -> list[bytes]:
    """The header as libcurl wants it: end-to-end fields, ours where the request is ours, nothing unasked."""
    fields = without(end_to_end(request.fields), _WRITTEN_BY_LIBCURL)
    if request.purpose != "other":
        ours = (("Accept-Encoding", "identity"), ("User-Agent", USER_AGENT))
        fields = (*without(fields, _OURS), *ours)
    lines = [f"{name}: {value}" if value.strip() else f"{name};" for name, value in fields]
    lines += [f"{name}:" for name in _UNASKED if field(fields, name) is None]
    return [line.encode("latin-1") for line in (*lines, "Expect:")]
