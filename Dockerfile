# Two stages: one builds a virtual environment from locked, hashed packages and our own wheel, the other only runs it.
# Nothing is compiled: where a package has no ready-made wheel for the platform, the build stops instead.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim-trixie AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/earshot && python -m venv /opt/tools
COPY requirements-run.lock requirements-build.lock ./
RUN /opt/earshot/bin/pip install --require-hashes --only-binary :all: -r requirements-run.lock \
    && /opt/tools/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock
COPY pyproject.toml README.md ./
COPY alerts alerts
COPY config config
COPY connectors connectors
COPY monitor monitor
COPY signs signs
RUN /opt/tools/bin/hatchling build -t wheel -d /build/dist \
    && /opt/earshot/bin/pip install --no-deps /build/dist/*.whl \
    && /opt/earshot/bin/python -m compileall -q /opt/earshot/lib

FROM python:${PYTHON}-slim-trixie
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/earshot --create-home --shell /usr/sbin/nologin earshot \
    && chmod 700 /var/lib/earshot
COPY --from=build /opt/earshot /opt/earshot
ENV PATH=/opt/earshot/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STATE_DIRECTORY=/var/lib/earshot \
    EARSHOT_CONFIG=/etc/earshot/earshot.toml
USER 10001:10001
WORKDIR /var/lib/earshot
VOLUME /var/lib/earshot
EXPOSE 8080
# /health?alive asks of the process alone: where mail or a platform is down, a restart mends nothing.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health?alive', timeout=4)"]
ENTRYPOINT ["earshot"]
CMD ["run"]
