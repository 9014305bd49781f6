
# Every node of the profile in MINIKUBE_PROFILE (minikube). A node forgets it when it is made anew: run this again then.
main() {
    options "$@"
    reachable
    profile=${MINIKUBE_PROFILE:-minikube}
    nodes=$(minikube --profile "$profile" node list | awk '{ print $1 }')
    [ -n "$nodes" ] || fail "minikube has no profile $profile that runs; name it in MINIKUBE_PROFILE"
    script=$(mktemp)
    node_script >"$script"
    for node in $nodes; do
        say "node $node"
        minikube --profile "$profile" cp "$script" "$node:/tmp/regproxy-setup.sh"
        minikube --profile "$profile" ssh --node "$node" -- sudo sh /tmp/regproxy-setup.sh "$@" ||
            fail "node $node could not be set up"
    done
    rm -f "$script"
    verdict "every node of $profile pulls through $PROXY"
}

main "$@"
