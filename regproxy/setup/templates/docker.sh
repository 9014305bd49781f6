
DAEMON=dockerd

platform() {
    # Since Docker 23 this file wins over the environment.
    if [ "$UNINSTALL" = no ] && grep -qs '"proxies"' /etc/docker/daemon.json; then
        fail "/etc/docker/daemon.json sets \"proxies\", which wins over this: put \"https-proxy\": \"$PROXY\" there, or remove it"
    fi
    for_units '' docker.service
}
