
# What runs inside each node.
node_script() {
    cat <<'NODE_SCRIPT'
@NODE@
NODE_SCRIPT
}
