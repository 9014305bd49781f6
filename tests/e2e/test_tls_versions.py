"""Which TLS clients can speak with the proxy: 1.2 and 1.3 at both of its doors, nothing older, nothing around it."""

import subprocess

import pytest

from tests.e2e.conftest import Story, hostile_block
from tests.lab.certificates import Pki
from tests.lab.hostile import Hostile
from tests.lab.peers import need
from tests.lab.policies import policy
from tests.lab.processes import free_port

VERSIONS = {"-tls1": False, "-tls1_1": False, "-tls1_2": True, "-tls1_3": True}


def spoken(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What OpenSSL's client says of a handshake; it may use every cipher that it has."""
    command = ["openssl", "s_client", "-brief", "-cipher", "ALL:@SECLEVEL=0", *arguments]
    return subprocess.run(command, input="", capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("door", ["interception", "--listen-tls"])
def test_tls_1_2_and_1_3_are_spoken_and_nothing_older(door: str, story: Story, hostile: Hostile, pki: Pki) -> None:
    need("openssl")
    secured = free_port()
    flags = ("--listen-tls", f"127.0.0.1:{secured}", "--tls-name", "localhost")
    proxy = story.proxy(policy(hostile_block(hostile, pki)), arguments=flags, workers=1)
    if door == "interception":
        way = ["-proxy", f"127.0.0.1:{proxy.port}", "-connect", "registry.test:443", "-servername", "registry.test"]
    else:
        way = ["-connect", f"127.0.0.1:{secured}", "-servername", "localhost"]
    trust = ["-CAfile", str(proxy.ca_file), "-verify_return_error"]
    results = {version: spoken(*way, *trust, version) for version in VERSIONS}
    assert {version: result.returncode == 0 for version, result in results.items()} == VERSIONS, results
    # The client was ready to: it was the proxy that ended the handshake.
    assert not any("no protocols available" in result.stderr for result in results.values())
    # Weak ciphers, and those without an authentication, are not to be had even if they are all that a client offers.
    for cipher in ("NULL:eNULL:@SECLEVEL=0", "aNULL:@SECLEVEL=0", "kRSA:@SECLEVEL=0", "3DES:RC4:@SECLEVEL=0"):
        weak = spoken(*way, *trust, "-tls1_2", "-cipher", cipher)
        assert weak.returncode != 0, (cipher, weak.stderr)
