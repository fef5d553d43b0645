# One image for every role: `serve` on a laptop, `serve --no-worker` and `worker` on many machines.
#   docker build -t safelight .
#   docker run --init -p 127.0.0.1:8080:8080 -v safelight:/data -e SAFELIGHT_REGISTRATION=open safelight
# Every dependency is in a lock file, and checked by its hash.

FROM node:20-bookworm-slim AS page
WORKDIR /safelight/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM python:3.11-slim-bookworm AS installed
WORKDIR /safelight
COPY requirements-build.lock requirements-distributed.lock ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-build.lock
# Nothing is compiled: pyvips, which has no wheel, is made into one of Python alone, and finds libvips in pyvips-binary.
RUN pip wheel --no-cache-dir --no-deps --require-hashes --only-binary :all: --no-binary pyvips --no-build-isolation \
    --wheel-dir dist -r requirements-distributed.lock
COPY pyproject.toml README.md LICENSE ./
COPY src/ src/
COPY --from=page /safelight/src/safelight/page/ src/safelight/page/
# Without an index: what the lock file lacks is an error here, and not a surprise later.
RUN python -m hatchling build -t wheel \
 && python -m venv --without-pip /opt/safelight \
 && pip --python /opt/safelight/bin/python install --no-cache-dir --no-index --find-links dist 'safelight[distributed]' \
 && pip --python /opt/safelight/bin/python check

FROM python:3.11-slim-bookworm
RUN pip uninstall --yes --root-user-action ignore setuptools wheel pip \
 && groupadd --gid 10001 safelight \
 && useradd --uid 10001 --gid safelight --no-create-home --home-dir /data --shell /usr/sbin/nologin safelight \
 && install --directory --owner safelight --group safelight --mode 0700 /data
COPY --from=installed /opt/safelight/ /opt/safelight/
ENV PATH=/opt/safelight/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SAFELIGHT_HOST=0.0.0.0 \
    SAFELIGHT_PORT=8080 \
    SAFELIGHT_DATA_DIR=/data \
    SAFELIGHT_LOG_FORMAT=json
WORKDIR /data
USER 10001:10001
EXPOSE 8080
# Liveness alone: what is only waiting for its database must not be killed. `worker` needs --port 8080 for it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"SAFELIGHT_PORT\"]}/health/live', timeout=4)"]
ENTRYPOINT ["safelight"]
CMD ["serve"]
