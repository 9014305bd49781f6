
DAEMON="every container daemon of this machine"

platform() {
    found=
    for unit in docker.service containerd.service crio.service buildkit.service; do
        if exists "$unit"; then found=yes; drop_in "$unit" ''; fi
    done
    for unit in k3s.service k3s-agent.service rke2-server.service rke2-agent.service; do
        if exists "$unit"; then found=yes; drop_in "$unit" CONTAINERD_; fi
    done
    [ -n "$found" ] || fail "no dockerd, containerd, CRI-O, BuildKit, k3s or RKE2 is installed here"
}
