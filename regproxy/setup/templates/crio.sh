
DAEMON=CRI-O

platform() {
    for_units '' crio.service
}
