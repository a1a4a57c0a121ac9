# The gateway without a configuration. Mount the folder that holds plexus.json and generated/:
#
#   docker build --tag plexus .
#   docker run --read-only --cap-drop all --publish 4000:4000 --volume "$PWD:/srv/plexus:ro" \
#       --env OPENAI_API_KEY plexus
#
# The container listens on port 4000 of all of its addresses, whatever plexus.json says, so that
# must have client keys (or the command says --allow-anonymous).

FROM python:3.13-slim-bookworm AS wheel
WORKDIR /src
COPY requirements/build.txt requirements/
RUN pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r requirements/build.txt
COPY . .
RUN pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /wheel .

FROM python:3.13-slim-bookworm
COPY requirements/runtime.txt /tmp/
RUN --mount=from=wheel,source=/wheel,target=/wheel \
    pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r /tmp/runtime.txt \
    && pip install --no-cache-dir --no-deps --no-index /wheel/*.whl \
    && rm /tmp/runtime.txt \
    && useradd --system --uid 10001 --no-create-home plexus
USER 10001
WORKDIR /srv/plexus
EXPOSE 4000
# One process, told by SIGTERM to finish its open streams: give it time (docker stop --time 60).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=2s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:4000/livez', timeout=1)"]
ENTRYPOINT ["plexus"]
# Nothing is built in the container: a stale or edited generated/ is refused.
CMD ["serve", "--generated", "generated", "--host", "0.0.0.0", "--port", "4000"]
