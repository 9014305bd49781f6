#!/bin/sh
# Shows the proxy with its monitoring, from a clone: sh deploy/demo.sh [--without-docker]
# With docker's compose: the proxy, Prometheus with the rules, and Grafana with the dashboards. Without: the proxy and
# Debian's Prometheus as processes that end with this one; what they keep is in $DEMO_DIR, by default .demo in the clone.
# The settings of `regproxy serve` hold; PROMETHEUS is where Prometheus listens, DEMO_PROXY another command for the proxy.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/deploy/environment.sh"

if [ "${1-}" != --without-docker ] && docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
    exec docker compose -f "$root/deploy/compose.yaml" --profile monitoring up --build
fi

if ! command -v prometheus >/dev/null 2>&1; then
    say "Prometheus is missing; installing it."
    if as_root true; then
        hold_daemons
    fi
    apt_install prometheus || exit 1
    release_daemons
fi

prometheus=${PROMETHEUS:-127.0.0.1:9090}
home=${DEMO_DIR:-$root/.demo}
export REGPROXY_LISTEN="${REGPROXY_LISTEN:-127.0.0.1:3128}"
export REGPROXY_METRICS="${REGPROXY_METRICS:-127.0.0.1:9128}"
export REGPROXY_CACHE_DIR="${REGPROXY_CACHE_DIR:-$home/cache}"
export REGPROXY_CA_DIR="${REGPROXY_CA_DIR:-$home/ca}"
mkdir -p "$home" "$REGPROXY_CACHE_DIR" "$REGPROXY_CA_DIR"
cp "$root/grafana/rules.yaml" "$root/grafana/alerts.yaml" "$home"
sed "s/regproxy:9128/$REGPROXY_METRICS/" "$root/deploy/prometheus.yml" >"$home/prometheus.yml"

end() {
    trap - EXIT INT TERM
    for pid in ${watching-} ${serving-}; do
        kill "$pid" 2>/dev/null || true
    done
    wait
}
trap end EXIT
trap 'exit 0' INT TERM

${DEMO_PROXY:-sh "$root/deploy/serve.sh"} &
serving=$!
prometheus --config.file="$home/prometheus.yml" --storage.tsdb.path="$home/prometheus" \
    --web.listen-address="$prometheus" --log.level=warn &
watching=$!
say "The proxy: http://$REGPROXY_LISTEN (metrics: http://$REGPROXY_METRICS/metrics)"
say "Prometheus: http://$prometheus (try http://$prometheus/alerts). Grafana comes with docker."
wait "$serving"
