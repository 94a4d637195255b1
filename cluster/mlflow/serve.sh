#!/bin/sh
# MLflow's server with the variables in the mounted Secret TASADOR_SETTINGS (a file for each).
# It reads them once, so this script starts it again when one changes. The container stays: Kubernetes
# would wait longer before each start, up to five minutes.
set -eu

fingerprint() {
    cat "$TASADOR_SETTINGS"/* | sha256sum
}

# To be run in the background, hence in its own process: what it exports does not stay here.
serve() {
    for file in "$TASADOR_SETTINGS"/*; do
        export "$(basename "$file")=$(cat "$file")"
    done
    # In a separate process group: the server that listens is a child of this one and would outlive it.
    exec setsid mlflow server "$@"
}

stop() {
    kill -s TERM -- "-$server" 2>/dev/null || kill "$server" 2>/dev/null || true
    # A wait, unlike a sleep, ends at a signal.
    wait "$server" || true
    while kill -s 0 -- "-$server" 2>/dev/null; do sleep 0.2 & wait $! || true; done
}

trap 'stop; exit 0' TERM INT
while :; do
    known=$(fingerprint)
    serve "$@" &
    server=$!
    while kill -0 "$server" 2>/dev/null && [ "$(fingerprint)" = "$known" ]; do
        sleep 5 & wait $!
    done
    kill -0 "$server" 2>/dev/null || break
    echo "a secret has changed: MLflow is started again" >&2
    stop
done
wait "$server"
