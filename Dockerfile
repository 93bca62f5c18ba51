# syntax=docker/dockerfile:1
# One image for worker, migrations and command line. Everything is installed from the hashed locks; it runs as an
# ordinary user on a read-only root.

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock requirements-dev.lock ./
RUN python -m venv /opt/revsaga && /opt/revsaga/bin/pip install --quiet --require-hashes -r requirements.lock
# The build back end comes from the lock as well, in an environment that stays behind.
RUN python -m venv /opt/build && /opt/build/bin/pip install --quiet --require-hashes -r requirements-dev.lock
COPY pyproject.toml README.md worker.py cli.py stack.py ./
COPY canonical canonical
COPY connectors connectors
COPY activities activities
COPY workflows workflows
COPY commands commands
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/revsaga/bin/pip install --quiet --no-deps /dist/*.whl

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="revsaga"
RUN groupadd --gid 10001 revsaga \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin revsaga
COPY --from=build /opt/revsaga /opt/revsaga
ENV PATH=/opt/revsaga/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
# 8090: health and the product's own metrics; 9464: metrics of the Temporal SDK.
EXPOSE 8090 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["revsaga"]
CMD ["worker"]
