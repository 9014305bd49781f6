
main() {
    options "$@"
    administrator
    trust
    platform
    settle
    if [ "$UNINSTALL" = no ] && [ "$DRY_RUN" = no ]; then self_test; fi
    verdict "$DAEMON pulls through $PROXY"
}

main "$@"
