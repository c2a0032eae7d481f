# One image for every role of the gateway: `gateway run api`, `gateway run payments`, `gateway prepare`, …
#
#   pages         node: builds SDK, checkout, dashboard and API reference
#   requirements  the dependencies that pyproject.toml names
#   wheels        the locked dependencies in a virtualenv, without pip
#   guide         the documentation as a site: Sphinx is in no other stage
#   (last)        python-slim, the virtualenv, the code, the built pages; not root, writes nothing but /tmp

FROM node:20.19.2-bookworm-slim AS pages
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
COPY web-shared/package.json web-shared/
COPY sdk/package.json sdk/
COPY checkout-page/package.json checkout-page/
COPY dashboard/package.json dashboard/
COPY api-reference/package.json api-reference/
RUN npm ci
COPY biome.json tsconfig*.json ./
COPY web-shared web-shared
COPY sdk sdk
COPY checkout-page checkout-page
COPY dashboard dashboard
COPY api-reference api-reference
RUN npm run build


FROM python:3.11.12-slim-bookworm AS requirements
COPY pyproject.toml .
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
      > /requirements.txt


FROM python:3.11.12-slim-bookworm AS wheels
WORKDIR /app
RUN python -m venv --without-pip /opt/venv
# the dependencies before the code: a change of the code, or of a tool's settings, leaves this layer as it is
COPY --from=requirements /requirements.txt /tmp/requirements.txt
COPY constraints.txt .
RUN pip --python /opt/venv/bin/python install --no-cache-dir --constraint constraints.txt --requirement /tmp/requirements.txt
COPY . .
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --editable .


FROM wheels AS guide
RUN pip --python /opt/venv/bin/python install --no-cache-dir --constraint constraints.txt --editable '.[docs]'
RUN /opt/venv/bin/gateway pages docs


FROM python:3.11.12-slim-bookworm
# /authority: a volume that is mounted there belongs to this user (docker-compose.razorpay.yml)
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin gateway \
    && install --directory --owner=gateway --group=gateway /authority
WORKDIR /app
COPY --from=wheels /opt/venv /opt/venv
COPY . .
COPY --from=pages /build/sdk/dist sdk/dist
COPY --from=pages /build/checkout-page/dist checkout-page/dist
COPY --from=pages /build/dashboard/dist dashboard/dist
COPY --from=pages /build/api-reference/dist api-reference/dist
COPY --from=guide /app/pages/dist pages/dist
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    LISTEN_HOST=0.0.0.0
RUN python -m compileall -q .
USER gateway
ENTRYPOINT ["gateway"]
CMD ["run", "api"]
