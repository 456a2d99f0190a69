# Build: docker build -t wardgate .
# Run:   docker run --read-only --cap-drop ALL --security-opt no-new-privileges --network host \
#          -v ./config:/config:ro -v ./cards:/cards:ro -v wardgate:/var/lib/wardgate --env-file secrets.env wardgate
# The base is pinned by its digest (docker buildx imagetools inspect python:3.12-slim shows today's): renew it with the
# locks. Nothing is installed by a package manager, and nothing at run time needs a shell.
FROM python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/wardgate && /opt/wardgate/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY src ./src
# The package itself is pure Python: it is put beside its locked dependencies without resolving anything. pip stays here.
RUN cp -r src/wardgate "$(/opt/wardgate/bin/python -c 'import site; print(site.getsitepackages()[0])')/" \
    && /opt/wardgate/bin/pip uninstall --yes --quiet pip \
    && /opt/wardgate/bin/python -m compileall -q /opt/wardgate \
    && mkdir /var/lib/wardgate

FROM python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea
COPY --from=build /opt/wardgate /opt/wardgate
# The one folder that is written to: stores.durable and stores.spool of wardgate.yaml name files in it.
COPY --from=build --chown=10001:10001 /var/lib/wardgate /var/lib/wardgate
VOLUME /var/lib/wardgate
ENV WARDGATE_HEALTH=http://127.0.0.1:8081/health/ready PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8080 8081
# Asks this very container: no certificate is checked on the way to oneself.
HEALTHCHECK --interval=10s --timeout=2s --start-period=10s CMD ["/opt/wardgate/bin/python", "-c", \
    "import os, ssl, urllib.request as ask; ask.urlopen(os.environ['WARDGATE_HEALTH'], timeout=1, context=ssl._create_unverified_context() if os.environ['WARDGATE_HEALTH'].startswith('https') else None)"]
ENTRYPOINT ["/opt/wardgate/bin/python", "-m", "wardgate"]
CMD ["serve", "--config", "/config/wardgate.yaml"]
