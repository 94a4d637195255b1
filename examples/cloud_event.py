"""Send a CloudEvent to predict and print the event that it answers with.

    python examples/cloud_event.py http://127.0.0.1:8080/fn/predict/

The same event, sent to the broker instead, is answered with an event to all subscribers.
"""

import json
import sys

import httpx
from cloudevents.http import CloudEvent, from_http, to_binary

LISTING = {"state": "Texas", "zip_code": "77084", "bed": 3, "bath": 2, "house_size": 1800}


def main(url: str) -> None:
    request = CloudEvent(
        {"type": "tasador.prediction.requested", "source": "/examples/cloud_event"}, LISTING
    )
    headers, body = to_binary(request)
    answer = httpx.post(url, headers=headers, content=body, timeout=30)
    answer.raise_for_status()
    event = from_http(dict(answer.headers), answer.content)
    print(event["type"], event["id"], "from", event["source"])
    print(json.dumps(event.data, indent=2))


if __name__ == "__main__":
    main(sys.argv[1])
