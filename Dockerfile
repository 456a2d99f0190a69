# Build: docker build -t wardgate .    Run: docker run --read-only --network host -v ./config:/config:ro -v ./cards:/cards:ro wardgate
FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements.lock pyproject.toml README.md ./
RUN python -m venv /opt/wardgate && /opt/wardgate/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY src ./src
# The package itself is pure Python: it is put beside its locked dependencies without resolving anything.
RUN cp -r src/wardgate "$(/opt/wardgate/bin/python -c 'import site; print(site.getsitepackages()[0])')/" \
    && /opt/wardgate/bin/python -m compileall -q /opt/wardgate

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin wardgate
COPY --from=build /opt/wardgate /opt/wardgate
USER 10001
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=2s CMD ["/opt/wardgate/bin/python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health/ready', timeout=1)"]
ENTRYPOINT ["/opt/wardgate/bin/python", "-m", "wardgate"]
CMD ["serve", "--config", "/config/wardgate.yaml"]
