# An empty parliament function with predict's packages: the lower bound for a cold start.
ARG BASE
FROM $BASE
USER root
COPY func.py /app/empty/func.py
RUN python -m compileall -q /app/empty
USER 10001
CMD ["python", "-m", "parliament", "/app/empty"]
