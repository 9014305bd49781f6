FROM python:3.13-slim AS build
WORKDIR /src
COPY deploy/requirements.lock deploy/build.lock deploy/
RUN python -m venv /opt/regproxy \
 && /opt/regproxy/bin/pip install --no-cache-dir --no-deps --require-hashes -r deploy/requirements.lock \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --no-deps --require-hashes -r deploy/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY regproxy regproxy
COPY policies policies
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/regproxy/bin/pip install --no-cache-dir --no-deps /wheels/*.whl \
 && /opt/regproxy/bin/pip uninstall -y -q pip

FROM python:3.13-slim
LABEL org.opencontainers.image.title="regproxy" \
      org.opencontainers.image.description="A caching HTTPS_PROXY for container images" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin regproxy \
 && install -d -o 10001 -g 10001 -m 0755 /docker_mirror_cache \
 && install -d -o 10001 -g 10001 -m 0700 /ca
COPY --from=build /opt/regproxy /opt/regproxy
COPY --chmod=0755 deploy/entrypoint.sh /usr/local/bin/regproxy-entrypoint
ENV PATH=/opt/regproxy/bin:$PATH \
    REGPROXY_CACHE_DIR=/docker_mirror_cache \
    REGPROXY_CA_DIR=/ca \
    REGPROXY_METRICS=0.0.0.0:9128
EXPOSE 3128 9128
VOLUME /docker_mirror_cache /ca
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/regproxy-entrypoint"]
CMD ["serve"]
