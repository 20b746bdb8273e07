# syntax=docker/dockerfile:1
FROM node:26-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# The image brings its own Node; the one from npm is for machines that have none.
RUN --mount=type=cache,target=/root/.npm \
  npm ci --omit=dev && rm -rf node_modules/node-linux-* node_modules/.bin/node \
  && npm sbom --omit=dev --package-lock-only --sbom-format=spdx > sbom.spdx.json

# For amd64 and arm64: docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=… --build-arg REVISION=… .
FROM node:26-bookworm-slim
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sub2api-playground" \
  org.opencontainers.image.description="An image playground for people with an account on a sub2api gateway" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="$VERSION" \
  org.opencontainers.image.revision="$REVISION"
# With glibc's defaults decoding pictures leaves the heap in shreds: few arenas, and large buffers go back at once.
ENV NODE_ENV=production PLAYGROUND_DATA_DIR=/data MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072
RUN install --directory --owner=node --group=node /data
# Letters, Chinese ones too, for the captions of contact sheets: 5 MB.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends fontconfig-config fonts-wqy-microhei \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
# What is in here, package by package.
COPY --from=dependencies /app/sbom.spdx.json ./
COPY package.json LICENSE ./
COPY migrations migrations
COPY public public
COPY scripts scripts
COPY views views
COPY src src
RUN install --directory --owner=node --group=node /app/.cache
USER node
# Compiled once, here, and not at every start; without its settings it goes no further than that.
ENV NODE_COMPILE_CACHE=/app/.cache
RUN SUB2API_UPSTREAM= node --max-semi-space-size=8 --single-threaded-gc src/main.ts || test $? -eq 78
VOLUME /data
EXPOSE 8081
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || process.env.PLAYGROUND_PORT || 8081}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
# Not through npm: signals go straight to the process that stops cleanly on them.
CMD ["node", "--max-semi-space-size=8", "--single-threaded-gc", "src/main.ts"]
