
BUILDER=regproxy
STATE=${XDG_CONFIG_HOME:-$HOME/.config}/regproxy

# A buildkitd of the machine gets a drop-in. A builder in a container is made for buildx; the CA is put into it.
main() {
    options "$@"
    if command -v systemctl >/dev/null 2>&1 && systemctl cat buildkit.service >/dev/null 2>&1; then
        administrator
        trust
        for_units '' buildkit.service
        settle
    else
        builder
    fi
    if [ "$UNINSTALL" = no ] && [ "$DRY_RUN" = no ]; then self_test; fi
    verdict "BuildKit pulls through $PROXY; dockerd's own builder does with the setup for docker"
}

builder() {
    docker buildx version >/dev/null 2>&1 || fail "there is neither a buildkit.service nor docker buildx here"
    if [ "$UNINSTALL" = yes ]; then
        if docker buildx inspect "$BUILDER" >/dev/null 2>&1; then act docker buildx rm "$BUILDER"; fi
        erase "$STATE/regproxy.crt"
        return 0
    fi
    write "$STATE/regproxy.crt" "$(certificate)"
    if docker buildx inspect "$BUILDER" >/dev/null 2>&1 && [ "$CHANGED" = no ]; then
        say "nothing to change"
        return 0
    fi
    if docker buildx inspect "$BUILDER" >/dev/null 2>&1; then act docker buildx rm "$BUILDER"; fi
    act docker buildx create --name "$BUILDER" --driver docker-container --driver-opt network=host \
        --driver-opt "env.HTTPS_PROXY=$PROXY" --driver-opt "\"env.NO_PROXY=$(once "$NO_PROXY_LIST")\"" \
        --driver-opt "env.SSL_CERT_DIR=/etc/ssl/certs:$CA_DIRECTORY" --bootstrap
    # BuildKit reads the directory when it first needs it.
    act docker exec "buildx_buildkit_${BUILDER}0" mkdir -p "$CA_DIRECTORY"
    act docker cp "$STATE/regproxy.crt" "buildx_buildkit_${BUILDER}0:$CA_DIRECTORY/regproxy.crt"
    say "build with: docker buildx build --builder $BUILDER ..."
}

main "$@"
