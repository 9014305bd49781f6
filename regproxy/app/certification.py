"""A reload of the CA as the program wires it: the same reading as at start, checked against the running policy."""

import time
from collections.abc import Callable

from regproxy.model.event import Event
from regproxy.policy.cover import uncovered
from regproxy.policy.diagnostic import in_brief
from regproxy.policy.policy import Policy
from regproxy.reload.authority import CaSteps
from regproxy.settings.serve import ServeSettings
from regproxy.tls.directory import Holdings, files_of, read_holdings


def ca_steps(
    settings: ServeSettings,
    policy: Callable[[], Policy],
    follow: Callable[[Holdings], None],
    report: Callable[[Event], None],
) -> CaSteps:
    """The steps of a reload of the CA; `policy` gives the active one, `follow` is told of what is in force then."""
    directory, passphrase_file = settings.ca_directory, settings.ca_passphrase_file
    return CaSteps(
        files=lambda: files_of(directory, passphrase_file),
        read=lambda: read_holdings(directory, passphrase_file),
        check=lambda holdings: in_brief(uncovered(policy(), holdings.permits)),
        follow=follow,
        report=report,
        clock=time.time,
    )
