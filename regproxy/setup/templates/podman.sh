
# podman has no daemon: what is set here holds for every podman and buildah that is started, by any user.
main() {
    options "$@"
    [ "$(id -u)" -eq 0 ] || [ "$DRY_RUN" = yes ] || fail "run this as root"
    command -v podman >/dev/null 2>&1 || [ "$UNINSTALL" = yes ] || fail "podman is not installed"
    put "$CA_DIRECTORY/regproxy.crt" "$(certificate)"
    put /etc/containers/containers.conf.d/regproxy.conf "# Made by regproxy's setup script, which takes it back with --uninstall.
[engine]
env = [
  \"HTTPS_PROXY=$PROXY\",
  \"NO_PROXY=$(once "$NO_PROXY_LIST")\",
  \"SSL_CERT_DIR=/etc/ssl/certs:$CA_DIRECTORY\",
]"
    [ "$CHANGED" = yes ] || say "nothing to change"
    if [ "$UNINSTALL" = no ] && [ "$DRY_RUN" = no ]; then self_test; fi
    verdict "podman pulls through $PROXY"
}

main "$@"
