"""What lies in memory, by the kernel's list of mounts."""

import pytest

from regproxy.model.mounts import in_memory

LIST = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /dev/shm rw,nosuid - tmpfs tmpfs rw
24 22 0:22 / /mnt/with\\040space rw shared:2 master:1 - ramfs none rw
25 22 0:23 / /srv rw - nfs4 server:/tmpfs rw
26 22 0:2 / /mnt/other rw - overlay overlay rw
"""


@pytest.mark.parametrize(
    ("major", "minor", "expected"),
    [(254, 1, False), (0, 21, True), (0, 22, True), (0, 23, False), (0, 2, False), (0, 99, False)],
)
def test_only_file_systems_of_memory_lie_in_memory(major: int, minor: int, expected: bool) -> None:
    assert in_memory(major, minor, LIST) is expected


def test_nothing_listed_lies_nowhere_known() -> None:
    assert not in_memory(0, 21, "")
