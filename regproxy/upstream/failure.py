"""No usable answer: one exception, and one table from libcurl's error numbers to the classes of the policy language."""

import os

import pycurl

from regproxy.model.decision import FailureClass
from regproxy.model.message import printable

# What no row names is a connection that broke the rules of HTTP or ended early: `reset`.
_CLASS_OF: dict[int, FailureClass] = {
    pycurl.E_COULDNT_RESOLVE_PROXY: FailureClass.DNS,
    pycurl.E_COULDNT_RESOLVE_HOST: FailureClass.DNS,
    pycurl.E_COULDNT_CONNECT: FailureClass.CONNECT,
    pycurl.E_OPERATION_TIMEDOUT: FailureClass.TIMEOUT,
    pycurl.E_SSL_CONNECT_ERROR: FailureClass.TLS,
    pycurl.E_SSL_ENGINE_NOTFOUND: FailureClass.TLS,
    pycurl.E_SSL_ENGINE_SETFAILED: FailureClass.TLS,
    pycurl.E_SSL_CERTPROBLEM: FailureClass.TLS,
    pycurl.E_SSL_CIPHER: FailureClass.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: FailureClass.TLS,
    pycurl.E_SSL_ENGINE_INITFAILED: FailureClass.TLS,
    pycurl.E_SSL_CACERT_BADFILE: FailureClass.TLS,
    pycurl.E_SSL_CRL_BADFILE: FailureClass.TLS,
    pycurl.E_SSL_ISSUER_ERROR: FailureClass.TLS,
    pycurl.E_SSL_INVALIDCERTSTATUS: FailureClass.TLS,
}
# libcurl's own sentence says more than ours, except here.
_CAUSE_OF: dict[int, str] = {
    pycurl.E_COULDNT_RESOLVE_HOST: "the name does not resolve",
    pycurl.E_PARTIAL_FILE: "the body ended early",
    pycurl.E_GOT_NOTHING: "the connection closed without an answer",
}
# What libcurl says of a certificate that is good, and another host's.
_OTHER_NAME = "subject name"


class UpstreamFailed(Exception):  # noqa: N818 -- the upstream failed, whoever's error it was
    """There is no whole answer; `detail` is a printable sentence that names the upstream host and the cause.

    `ours`: the reason lies here, in a limit or a rule of this proxy, and says nothing about the upstream.
    """

    def __init__(self, failure: FailureClass, detail: str, *, ours: bool = False) -> None:
        self.failure = failure
        self.ours = ours
        self.detail = printable(detail, 300)
        super().__init__(self.detail)


class Rejected(UpstreamFailed):
    """The registry or its token service refused the credential that was to be used: nothing was answered.

    For one that the policy lends this is a failure of ours; for a caller's own it is the answer. `status` 401: it is
    wrong; any other: it opens not what was asked for.
    """

    def __init__(self, detail: str, status: int) -> None:
        super().__init__(FailureClass.CREDENTIAL, detail)
        self.status = status


class NotAsked(UpstreamFailed):
    """Nothing was sent: the authority failed in a row, and is left alone for a while."""

    def __init__(self, failure: FailureClass, detail: str) -> None:
        super().__init__(failure, detail, ours=True)


def class_of(number: int) -> FailureClass:
    """The failure class of a libcurl error number (libcurl-errors(3))."""
    return _CLASS_OF.get(number, FailureClass.RESET)


def cause_of(number: int, message: str, os_errno: int) -> str:
    """The cause in words: the system's for a failed connect, ours where libcurl says little, else libcurl's."""
    if number == pycurl.E_COULDNT_CONNECT and os_errno:
        return os.strerror(os_errno).lower()
    if number == pycurl.E_PEER_FAILED_VERIFICATION and _OTHER_NAME not in message:
        return f"{message}; name its CA by tls {{ ca file }}"
    return _CAUSE_OF.get(number) or message or f"libcurl error {number}"
