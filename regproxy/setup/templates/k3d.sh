
STATE=${XDG_CONFIG_HOME:-$HOME/.config}/regproxy

# k3d sets up its nodes when it makes them: this writes the configuration to make a cluster with.
main() {
    options "$@"
    reachable
    put "$STATE/regproxy.crt" "$(certificate)"
    put "$STATE/k3d.yaml" "# Made by regproxy's setup script, which takes it back with --uninstall.
apiVersion: k3d.io/v1alpha5
kind: Simple
volumes:
  - volume: $STATE/regproxy.crt:$CA_DIRECTORY/regproxy.crt
    nodeFilters: [all]
env:
  - envVar: CONTAINERD_HTTPS_PROXY=$PROXY
    nodeFilters: [all]
  - envVar: CONTAINERD_NO_PROXY=$(once "$NO_PROXY_LIST")
    nodeFilters: [all]
  - envVar: CONTAINERD_SSL_CERT_DIR=/etc/ssl/certs:$CA_DIRECTORY
    nodeFilters: [all]"
    [ "$CHANGED" = yes ] || say "nothing to change"
    if [ "$UNINSTALL" = no ] && [ "$DRY_RUN" = no ]; then
        self_test
        say "make a cluster with: k3d cluster create --config $STATE/k3d.yaml"
    fi
    verdict "a cluster made with that file pulls through $PROXY"
}

main "$@"
