# Sheaf for production: the application alone; PostgreSQL and Redis are other containers (compose.yaml).
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /app
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-dev --no-install-project
COPY backend backend
COPY alembic alembic
RUN uv sync --frozen --no-dev

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/sheaf sheaf \
    && install --directory --owner sheaf --mode 0700 /var/lib/sheaf/data
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SHEAF_HOST=0.0.0.0 SHEAF_PORT=8000 SHEAF_DATA=/var/lib/sheaf/data
USER sheaf
WORKDIR /var/lib/sheaf
VOLUME /var/lib/sheaf/data /tmp
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
ENTRYPOINT ["sheaf"]
CMD ["serve", "--no-key"]
