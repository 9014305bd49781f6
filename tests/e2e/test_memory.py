"""A slow reader costs disk, not memory."""

import hashlib
from threading import Event, Thread

from tests.e2e.conftest import Story, hostile_block
from tests.lab.answers import Generated, blob
from tests.lab.certificates import Pki
from tests.lab.client import Client, read_slowly
from tests.lab.hostile import Hostile
from tests.lab.images import MIB
from tests.lab.policies import policy

LAYER, LONG_LAYER = Generated(256 * MIB), Generated(1024 * MIB)
SLOW = 5_000_000
ALLOWED = 60 * MIB


def test_a_large_layer_to_a_slow_reader_leaves_memory_alone(
    story: Story, hostile: Hostile, pki: Pki, soak: float
) -> None:
    layer = LONG_LAYER if soak == 1 else LAYER
    path = f"/v2/team/app/blobs/{layer.digest}"
    hostile.on("registry.test", path, blob(layer))
    proxy = story.proxy(policy(hostile_block(hostile, pki)))
    done = Event()
    slow_bytes = 0

    def read_at_its_own_speed() -> None:
        nonlocal slow_bytes
        with Client(proxy.port, proxy.ca_file, "registry.test:443") as client:
            for piece in read_slowly(client.send("GET", path), SLOW):
                slow_bytes += len(piece)
                if done.is_set():
                    return

    with Client(proxy.port, proxy.ca_file, "registry.test:443") as fast:
        fast.get("/v2/")  # TLS and the first upstream connection are part of idle
        idle = peak = proxy.memory()
        slow = Thread(target=read_at_its_own_speed)
        slow.start()
        digest, size = hashlib.sha256(), 0
        response = fast.send("GET", path)
        while data := response.read(8 * MIB):
            digest.update(data)
            size += len(data)
            peak = max(peak, proxy.memory())
    done.set()
    slow.join(30)
    assert (size, f"sha256:{digest.hexdigest()}") == (layer.size, layer.digest)
    assert 0 < slow_bytes < layer.size // 2, "the slow reader must have been slow"
    assert peak - idle <= ALLOWED, f"{(peak - idle) / MIB:.0f} MiB above idle"
    assert len(hostile.seen("registry.test", path)) == 1
