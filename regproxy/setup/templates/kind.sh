
# Every node of the cluster in KIND_CLUSTER_NAME (kind), with the containers' own containerd.
main() {
    options "$@"
    reachable
    cluster=${KIND_CLUSTER_NAME:-kind}
    nodes=$(kind get nodes --name "$cluster")
    [ -n "$nodes" ] || fail "kind has no cluster $cluster; name it in KIND_CLUSTER_NAME"
    for node in $nodes; do
        say "node $node"
        node_script | docker exec -i "$node" sh -s -- "$@" || fail "node $node could not be set up"
    done
    verdict "every node of $cluster pulls through $PROXY"
}

main "$@"
