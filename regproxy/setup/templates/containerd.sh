
DAEMON=containerd

platform() {
    for_units '' containerd.service
}
