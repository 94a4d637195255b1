#!/bin/sh
# MLflow's server with the variables in the mounted Secret TASADOR_SETTINGS (a file for each).
# It reads them once, so this script ends it when one changes; Kubernetes starts the container again.
set -eu

for file in "$TASADOR_SETTINGS"/*; do
    export "$(basename "$file")=$(cat "$file")"
done

fingerprint() {
    cat "$TASADOR_SETTINGS"/* | sha256sum
}

known=$(fingerprint)
mlflow server "$@" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" || true; exit 0' TERM INT
while kill -0 "$server" 2>/dev/null; do
    # A wait, unlike a sleep, ends at a signal.
    sleep 5 & wait $!
    if [ "$(fingerprint)" != "$known" ]; then
        echo "a secret has changed: MLflow is started again" >&2
        kill "$server" 2>/dev/null || true
        wait "$server" || true
        exit 0
    fi
done
wait "$server"
