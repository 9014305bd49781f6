
DAEMON="the containerd of k3s"

# k3s hands what begins with CONTAINERD_ to its containerd, and keeps it from the rest of the cluster.
platform() {
    for_units CONTAINERD_ k3s.service k3s-agent.service
}
