"""What the kernel's list of mounts (proc(5), mountinfo) says of a device."""

MOUNTINFO = "/proc/self/mountinfo"
_IN_MEMORY = ("tmpfs", "ramfs")


def in_memory(major: int, minor: int, mountinfo: str) -> bool:
    """Whether the device is memory: no disk is waited for, and its blocks are pages that must be cleared."""
    for line in mountinfo.splitlines():
        mount, _, file_system = line.partition(" - ")
        if mount.split(" ", 3)[2] == f"{major}:{minor}":
            return file_system.split(" ", 1)[0] in _IN_MEMORY
    return False
