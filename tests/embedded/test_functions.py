"""record with the real database; and the whole way of a prediction over the gateway."""

import base64
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tasador.events import build, read
from tasador.events.event import PREDICTION_MADE, PREDICTION_REQUESTED, Event
from tasador.operations import dead_letters
from tasador.warehouse.warehouse import Warehouse
from tests.code.test_predictions_read import predictions
from tests.kit.functions import function, is_ready
from tests.kit.listener import http_sink
from tests.kit.logins import url_of
from tests.kit.network import free_port
from tests.kit.records import make_prediction
from tests.kit.waiting import wait_for


@pytest.fixture(scope="module")
def record(platform, tmp_path_factory):
    env = {"TASADOR_DATABASE_URL": url_of(platform, "record")}
    with function("record", tmp_path_factory.mktemp("record"), **env) as client:
        wait_for(lambda: is_ready(client))
        yield client


@pytest.fixture
def warehouse(platform):
    with Warehouse(platform.database_url) as warehouse:
        yield warehouse


def made(**changes):
    return make_prediction(**{"model_version": 4, "predicted_at": datetime.now(UTC), **changes})


def deliver(client, event, structured=False):
    if structured:
        content, headers = json.dumps(event.structured()), {"content-type": read.STRUCTURED}
        return client.post("/", content=content, headers=headers)
    return client.post("/", content=event.body(), headers=event.headers())


def test_redelivered_prediction_is_stored_once(record, warehouse):
    prediction = made()
    event = build.prediction_made([prediction])
    for structured in (False, True, False):
        answer = deliver(record, event, structured)
        # A body that is no event would be a failure to a Knative broker.
        assert (answer.status_code, answer.content) == (204, b"")
    assert warehouse.prediction(prediction.prediction_id) == prediction
    stored = record.get(f"/predictions/{prediction.prediction_id}").json()
    assert stored == build.prediction_as_json(prediction)


def test_event_with_many_predictions_keeps_known_ones_unchanged(record, warehouse):
    known = made(price=1.0)
    deliver(record, build.prediction_made([known]))
    new = [made() for _ in range(300)]
    event = build.prediction_made([*new, replace(known, price=2.0)])
    assert deliver(record, event).status_code == 204
    assert all(warehouse.prediction(p.prediction_id) == p for p in (new[0], new[-1], known))


def batch(client, events):
    content = json.dumps(events)
    return client.post("/", content=content, headers={"content-type": read.BATCHED})


def test_batch_of_events_is_stored_and_invalid_ones_are_named(record, warehouse):
    good = [build.prediction_made([made()]), build.prediction_made([made(), made()])]
    assert batch(record, [event.structured() for event in good]).status_code == 204
    assert batch(record, []).status_code == 204
    last = made()
    events = [
        Event(type="other", source="/t", id="1", data={}).structured(),
        build.prediction_made([last]).structured(),
        {"specversion": "1.0"},
        build.prediction_made([made(model_version=-1)]).structured(),
    ]
    answer = batch(record, events)
    assert answer.status_code == 422
    assert [e["field"] for e in answer.json()["errors"]] == [
        "events[0].type",
        "events[2]",
        "events[3].data",
    ]
    assert warehouse.prediction(last.prediction_id) == last
    assert batch(record, {"no": "batch"}).status_code == 400


def test_history_is_paged_newest_first(record):
    start = datetime.now(UTC) + timedelta(hours=10)
    predictions = [made(predicted_at=start + timedelta(seconds=s)) for s in range(7)]
    deliver(record, build.prediction_made(predictions))
    newest_first = [p.prediction_id for p in reversed(predictions)]
    first = record.get("/predictions/history", params={"limit": 4}).json()
    assert [p["prediction_id"] for p in first["predictions"]] == newest_first[:4]
    # Also with an unencoded + in the query.
    for query in ({"params": {"limit": 3, "before": first["next"]}}, {}):
        path = "/predictions/history"
        path += "" if query else f"?limit=3&before={first['next']}"
        second = record.get(path, **query).json()
        assert [p["prediction_id"] for p in second["predictions"]] == newest_first[4:]


def test_summary_counts_by_version(record):
    deliver(record, build.prediction_made([made(model_version=77) for _ in range(5)]))
    summary = record.get("/metrics/summary").json()
    assert {"count": 5, "version": 77}.items() <= summary["by_version"][0].items()
    assert summary["count"] >= 5


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("before=yesterday", "before"),
    ],
)
def test_invalid_history_query_is_named(record, query, field):
    answer = record.get(f"/predictions/history?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("identity", ["none", "%00", "%ED%A0%80", "a%20b", "x" * 5000, "%FF%00"])
def test_unknown_prediction_id_is_404(record, identity):
    answer = record.get(f"/predictions/{identity}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_predictions_of_one_time_are_all_reached(record):
    when = datetime.now(UTC) + timedelta(hours=20)
    predictions = [made(predicted_at=when) for _ in range(1200)]
    for start in range(0, 1200, 600):
        event = build.prediction_made(predictions[start : start + 600])
        assert deliver(record, event).status_code == 204
    found, query = [], {"limit": 500}
    while len(found) < 1200:
        page = record.get("/predictions/history", params=query).json()
        found += [p["prediction_id"] for p in page["predictions"]]
        query["cursor"] = page["next"]
    assert sorted(found[:1200]) == sorted(p.prediction_id for p in predictions)
    assert record.get("/predictions/history?cursor=x").json()["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"price": 1e200}, "price"),
        ({"intervals": {"80": "abc"}}, "intervals.80"),
        ({"listing": {"bed": "three"}}, "listing.bed"),
        ({"latency_ms": 1e300}, "latency_ms"),
    ],
)
def test_predictions_that_would_break_the_summary_are_not_recorded(record, change, named):
    for _ in range(2):
        data = {**GOOD, "prediction_id": uuid4().hex, **change}
        event = Event(type=PREDICTION_MADE, source="/t", id="1", data=data)
        answer = deliver(record, event)
        assert (answer.status_code, named in answer.text) == (400, True)
        assert record.get(f"/predictions/{data['prediction_id']}").status_code == 404
    assert record.get("/metrics/summary").status_code == 200


def test_predictions_next_to_one_that_cannot_be_recorded_are(record):
    """predict gathers those of many callers in one event."""
    first, bad, last = ({**GOOD, "prediction_id": uuid4().hex} for _ in range(3))
    data = {"predictions": [first, {**bad, "price": -1}, last]}
    answer = deliver(record, Event(type=PREDICTION_MADE, source="/t", id="1", data=data))
    assert answer.status_code == 400
    assert "predictions[1].price" in answer.text
    assert "the other 2 are stored" in answer.text
    statuses = [record.get(f"/predictions/{p['prediction_id']}").status_code
                for p in (first, bad, last)]  # fmt: skip
    assert statuses == [200, 404, 200]


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.lists(predictions(), max_size=3))
def test_whatever_is_recorded_every_reader_can_read(record, several):
    for data in several:
        if isinstance(data.get("prediction_id"), str):
            data["prediction_id"] += uuid4().hex[:8]
    body = json.dumps({"predictions": several}).encode()
    event = Event(type=PREDICTION_MADE, source="/t", id="1", data=None)
    answer = record.post("/", content=body, headers=event.headers())
    assert answer.status_code in (204, 400), answer.text
    for path in ("/predictions/history?limit=10", "/metrics/summary"):
        assert record.get(path).status_code == 200
    if answer.status_code == 204:
        for data in several:
            assert record.get(f"/predictions/{data['prediction_id']}").status_code == 200


def test_dead_letter_of_odd_texts_is_stored(record, warehouse):
    event = Event(type=PREDICTION_REQUESTED, source="/" + "s" * 3000, id="i" * 3000, data=None)
    detail = base64.b64encode(b'{"detail": "NUL \\u0000 and half \\ud800"}').decode()
    answer = undelivered(record, event, b"\x00", dest="http://[::", code="9" * 30, data=detail)
    assert answer.status_code == 204, answer.text
    (letter,) = [each for each in warehouse.dead_letters() if each.event_id.startswith("iii")]
    assert (letter.status, letter.reason) == (None, "NUL  and half ?")
    assert letter.attributes["id"] == "i" * 3000


GOOD = json.loads(json.dumps(build.prediction_as_json(made())))


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (None, "data"),
        ([], "data"),
        ({"predictions": [1]}, "predictions[0]"),
        ({k: v for k, v in GOOD.items() if k != "price"}, "price"),
        ({**GOOD, "price": "1"}, "price"),
        ({**GOOD, "price": True}, "price"),
        ({**GOOD, "price": 10**400}, "price"),
        ({**GOOD, "predicted_at": "now"}, "predicted_at"),
        ({**GOOD, "model_version": 10**12}, "model_version"),
        ({**GOOD, "listing": {"city": "a\x00b"}}, "listing"),
        ({**GOOD, "warnings": ["\ud800"]}, "warnings"),
    ],
)
def test_invalid_prediction_event_is_400_and_named(record, data, named):
    event = Event(type=PREDICTION_MADE, source="/t", id="1", data=data)
    for structured in (False, True):
        answer = deliver(record, event, structured)
        assert answer.status_code == 400, answer.text
        assert named in answer.json()["detail"]


def test_other_events_and_plain_json_are_not_recorded(record):
    other = Event(type="com.example.other", source="/t", id="1", data=asdict(made())["listing"])
    assert deliver(record, other).status_code == 422
    assert record.post("/", json=GOOD).status_code == 415


def undelivered(client, event, body, **attributes):
    """A dead letter as a Knative broker sends it."""
    headers = event.headers() | {
        f"ce-knativeerror{name}": value for name, value in attributes.items()
    }
    headers |= {"ce-knativebrokerttl": "255"}
    return client.post("/dead-letters", content=body, headers=headers)


def test_dead_letter_is_stored_unchanged_and_replayed(record, warehouse, platform):
    event = Event(type=PREDICTION_REQUESTED, source="/tests/a b", id=uuid4().hex, data=None)
    detail = base64.b64encode(b'{"detail": "bed is no number"}').decode()
    to = "http://predict.tasador.svc.cluster.local"
    poison = b"\x00 {not json"
    for _ in range(2):
        assert (
            undelivered(record, event, poison, dest=to, code="422", data=detail).status_code == 204
        )
    letters = [each for each in warehouse.dead_letters() if each.event_id == event.id]
    assert [(each.subscriber, each.status, each.body) for each in letters] == [
        ("predict", 422, poison)
    ]
    assert letters[0].reason == "bed is no number"
    assert not [name for name in letters[0].attributes if name.startswith("knative")]
    (shown,) = [
        each for each in dead_letters.dead_letters(platform) if each["event"]["id"] == event.id
    ]
    assert shown["event"]["source"] == "/tests/a b"
    with http_sink() as (broker_url, received):
        assert dead_letters.replay(platform._replace(broker_url=broker_url), [event.id]) == 1
    ((headers, body),) = received
    assert body == poison
    assert headers["ce-source"] == event.headers()["ce-source"]
    assert event.id not in [each.event_id for each in warehouse.dead_letters()]
    # If it is refused again, it is listed again, and an older replay does not hide it.
    assert undelivered(record, event, poison, dest=to, code="422", data=detail).status_code == 204
    warehouse.mark_replayed(letters[0])
    assert event.id in [each.event_id for each in warehouse.dead_letters()]


def test_dead_letter_names_subscriber_status_and_reason():
    from functions.dead_letters import dead_letter_of

    event = {"ce-id": "1", "ce-source": "s", "ce-type": "t"}
    filter_of = "http://broker-filter.knative-eventing.svc.cluster.local/triggers/tasador/record/4e"
    for dest, code, data, expected in (
        (filter_of, "503", "", ("record", 503, "HTTP 503")),
        ("http://predict.tasador.svc.cluster.local", "-1", "", ("predict", None, "no answer")),
        ("", "", "bm90IEpTT04=", ("", None, "not JSON")),
    ):
        error = {"dest": dest, "code": code, "data": data}
        headers = event | {f"ce-knativeerror{name}": value for name, value in error.items()}
        letter = dead_letter_of(headers, b"")
        assert (letter.subscriber, letter.status, letter.reason) == expected


def test_dead_letter_must_be_an_event(record):
    assert record.post("/dead-letters", content=b"{}").status_code == 400


def test_unreachable_database_is_503(tmp_path):
    url = f"postgresql://nobody:x@127.0.0.1:{free_port()}/none"
    with function("record", tmp_path, TASADOR_DATABASE_URL=url) as client:
        wait_for(lambda: "does not answer" in client.get("/ready").text)
        assert client.get("/ready").json()["final"] is False
        answer = deliver(client, build.prediction_made([made()]))
        assert answer.status_code == 503
        assert "x@" not in answer.text
        assert client.get("/predictions/history").status_code == 503


def test_missing_database_url_is_reported_by_ready(tmp_path):
    with function("record", tmp_path) as client:
        wait_for(lambda: "TASADOR_DATABASE_URL" in client.get("/ready").text)
        assert client.get("/ready").json()["final"] is True


def test_history_is_filtered_by_time_version_and_state(record):
    start = datetime.now(UTC) - timedelta(minutes=30)
    predictions = [
        made(
            predicted_at=start + timedelta(minutes=n),
            model_version=(500, 501)[n % 2],
            listing={"state": ("Ohio", "Texas", "Ohio")[n % 3]},
        )
        for n in range(9)
    ]
    assert deliver(record, build.prediction_made(predictions)).status_code == 204

    def found(**query):
        ids, cursor = [], None
        while True:
            page = record.get(
                "/predictions/history",
                params={"limit": 2, **query, **({"cursor": cursor} if cursor else {})},
            ).json()
            ids += [p["prediction_id"] for p in page["predictions"]]
            if (cursor := page["next"]) is None:
                return ids

    def expected(choose):
        return [p.prediction_id for n, p in reversed(list(enumerate(predictions))) if choose(n)]

    assert found(version=500) == expected(lambda n: n % 2 == 0)
    assert found(version=501, state="OH") == expected(lambda n: n % 2 and n % 3 != 1)
    since = (start + timedelta(minutes=5)).isoformat()
    assert found(version=500, since=since) == expected(lambda n: n % 2 == 0 and n >= 5)
    assert found(version=502) == []
    answer = record.get("/predictions/history?state=")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "state")
