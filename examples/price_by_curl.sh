#!/bin/sh
# A price and its explanation by curl. FUNCTIONS is the address that `tasador up` prints.
set -eu
: "${FUNCTIONS:?set it to the functions\' address, for example http://127.0.0.1:8080}"

listing='{"state": "Texas", "zip_code": "77084", "bed": 3, "bath": 2, "house_size": 1800}'

echo "price in dollars, with intervals:"
curl -sS --fail-with-body "$FUNCTIONS/predict" -H 'content-type: application/json' -d "$listing"
echo
echo "what the price consists of:"
curl -sS --fail-with-body "${EXPLAIN:-$FUNCTIONS}/explain" -H 'content-type: application/json' \
    -d "$listing"
echo
