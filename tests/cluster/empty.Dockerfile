# An empty parliament function on the packages of predict: what waking costs anyhow.
ARG BASE
FROM $BASE
USER root
COPY func.py /app/empty/func.py
RUN python -m compileall -q /app/empty
USER 10001
CMD ["python", "-m", "parliament", "/app/empty"]
