
reachable() {
    case $PROXY in
        *//localhost:* | *//127.* | *//\[::1\]*)
            fail "a node cannot reach this machine's $PROXY: fetch this script by an address that the nodes reach" ;;
    esac
}
