
DAEMON="the containerd of RKE2"

# RKE2 hands what begins with CONTAINERD_ to its containerd, and keeps it from the rest of the cluster.
platform() {
    for_units CONTAINERD_ rke2-server.service rke2-agent.service
}
