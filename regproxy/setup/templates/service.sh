
# What cannot be done is said before anything is.
look_first() {
    asked=$DRY_RUN
    DRY_RUN=yes
    platform >/dev/null
    DRY_RUN=$asked CHANGED=no UNITS=
}

main() {
    options "$@"
    administrator
    if [ "$UNINSTALL" = no ]; then look_first; fi
    trust
    platform
    settle
    if [ "$UNINSTALL" = no ] && [ "$DRY_RUN" = no ]; then self_test; fi
    verdict "$DAEMON pulls through $PROXY"
}

main "$@"
