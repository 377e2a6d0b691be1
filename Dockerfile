# Sheaf for production: the application alone; PostgreSQL and Redis are other containers (compose.yaml).
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir "uv>=0.9,<1"
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1
WORKDIR /app
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-dev --extra telemetry --no-install-project
COPY alembic alembic
COPY backend backend
RUN uv sync --frozen --no-dev --extra telemetry --no-editable

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Sheaf" \
    org.opencontainers.image.description="Spreadsheets in, versioned datasets, spreadsheets out" \
    org.opencontainers.image.licenses="MIT"
RUN pip uninstall --yes pip \
    && groupadd --system --gid 10001 sheaf \
    && useradd --system --uid 10001 --gid sheaf --no-create-home --home-dir /data --shell /usr/sbin/nologin sheaf \
    && install --directory --owner sheaf --group sheaf --mode 0700 /data
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SHEAF_HOST=0.0.0.0 SHEAF_PORT=8000 SHEAF_DATA=/data
USER 10001:10001
WORKDIR /data
# Uploads and downloads wait in /data; in /tmp only sockets and what workers count, so that may be a small tmpfs.
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['SHEAF_PORT'] + '/health/live', timeout=4)"]
ENTRYPOINT ["sheaf"]
CMD ["serve", "--no-key"]
