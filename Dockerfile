# linux/amd64 and linux/arm64: docker buildx build --platform linux/amd64,linux/arm64 .
# The digest is that of an index for all platforms; what Debian mended since comes by the upgrade.
ARG BASE=debian:bookworm-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171

FROM ${BASE} AS debian
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get upgrade -y \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates python3 tini \
 && rm -rf /var/lib/apt/lists/*

FROM debian AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv
WORKDIR /src
COPY deploy/requirements.lock deploy/build.lock deploy/otel.lock deploy/sbom.py deploy/
# otel: the image can send traces to a collector (--otel-endpoint); nothing: what they need is not in it.
ARG EXTRA=
RUN python3 -m venv /opt/regproxy \
 && /opt/regproxy/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r deploy/requirements.lock \
        ${EXTRA:+-r "deploy/$EXTRA.lock"} \
 && python3 -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --no-deps --require-hashes -r deploy/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY deploy/regproxy.1 deploy/
COPY regproxy regproxy
COPY policies policies
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/regproxy/bin/pip install --no-cache-dir --no-deps /wheels/*.whl \
 && /opt/regproxy/bin/pip uninstall -y -q pip setuptools

FROM debian
LABEL org.opencontainers.image.title="regproxy" \
      org.opencontainers.image.description="A caching HTTPS_PROXY for container images" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin regproxy \
 && install -d -o 10001 -g 10001 -m 0755 /docker_mirror_cache \
 && install -d -o 10001 -g 10001 -m 0700 /ca
COPY --from=build /opt/regproxy /opt/regproxy
# Where `man` looks, in images that are made from this one; Debian's slim image brings no reader and no pages.
COPY --from=build /opt/regproxy/share/man/man1/regproxy.1 /usr/local/share/man/man1/regproxy.1
COPY --chmod=0755 deploy/entrypoint.sh /usr/local/bin/regproxy-entrypoint
# What is in the image, Debian's packages and Python's, as CycloneDX.
RUN --mount=from=build,source=/src/deploy/sbom.py,target=/tmp/sbom.py \
    mkdir -p /usr/share/doc/regproxy \
 && /opt/regproxy/bin/python /tmp/sbom.py > /usr/share/doc/regproxy/sbom.cdx.json
ENV PATH=/opt/regproxy/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    REGPROXY_CACHE_DIR=/docker_mirror_cache \
    REGPROXY_CA_DIR=/ca \
    REGPROXY_METRICS=0.0.0.0:9128
EXPOSE 3128 9128
VOLUME /docker_mirror_cache /ca
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/usr/local/bin/regproxy-entrypoint", "healthcheck"]
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/bin/regproxy-entrypoint"]
CMD ["serve"]
