"""Who may call record and reload: the token, and the seal of events."""

import dataclasses
import io
import json

import pytest

import functions.record.func as record
import functions.reload.func as reload
from functions import access, dead_letters
from functions.http import HttpProblem, Request, guarded
from tasador.events import build, read
from tasador.events.announce import announce
from tasador.events.event import MODEL_PROMOTED, PREDICTION_MADE, PREDICTION_REQUESTED, Event
from tasador.events.publish import publish
from tasador.events.seal import SEAL, is_sealed, sealed
from tasador.settings import Settings
from tests.kit.listener import http_sink

TOKEN, KEY = "a-token", "a-key"
EVENT = Event(type=PREDICTION_MADE, source="/s", id="1", data={"predictions": [{"price": 1e22}]})


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """A process on a cluster, with the token and the key that its Secret holds."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "TASADOR_FUNCTIONS_TOKEN").write_text(f"{TOKEN}\n")
    (secret / "TASADOR_EVENTS_KEY").write_text(KEY)
    monkeypatch.setenv("TASADOR_HOME", str(tmp_path))
    monkeypatch.setenv("TASADOR_PLATFORM", "cluster")
    monkeypatch.setenv("TASADOR_SETTINGS", str(secret))
    for name in ("FUNCTIONS_TOKEN", "EVENTS_KEY"):
        monkeypatch.delenv(f"TASADOR_{name}", raising=False)
    return secret


def request(headers=(), body=b"", path="/"):
    # As a connection does, it gives the body once.
    read_once = io.BytesIO(body).read
    return Request(
        method="POST", path=path, headers=dict(headers), length=len(body), read=read_once
    )


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def of(event):
    return request({k.lower(): v for k, v in event.headers().items()}, event.body())


CLOSED = [
    *(("record", route) for route in record.FUNCTION.routes),
    *(("reload", route) for route in reload.FUNCTION.routes),
]


@pytest.mark.parametrize(
    ("function", "route"), CLOSED, ids=[f"{f} {r.method} {r.path}" for f, r in CLOSED]
)
@pytest.mark.parametrize("headers", [{}, bearer("another"), bearer(""), {"authorization": TOKEN}])
def test_every_route_of_record_and_reload_is_closed_without_the_token(
    cluster, function, route, headers
):
    values = ("x" * 32,) if "<" in route.path else ()
    answer = guarded(route.view, request(headers), *values)
    assert answer.status == 401, (function, route.path)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "TASADOR_FUNCTIONS_TOKEN" in json.loads(answer.body)["detail"]


def test_plain_json_does_not_start_a_rollout_without_the_token(cluster):
    assert guarded(reload.FUNCTION.post, request()).status == 401


def test_token_opens_and_is_read_again_when_it_is_rotated(cluster):
    view = access.protected(lambda _request: "open")
    assert view(request(bearer(TOKEN))) == "open"
    assert view(request({"authorization": f"bearer  {TOKEN} "})) == "open"
    (cluster / "TASADOR_FUNCTIONS_TOKEN").write_text(f"new, {TOKEN}")
    for token in ("new", TOKEN):
        assert view(request(bearer(token))) == "open"
    (cluster / "TASADOR_FUNCTIONS_TOKEN").write_text("new")
    with pytest.raises(HttpProblem, match="has another token"):
        view(request(bearer(TOKEN)))


def test_function_without_its_secret_is_closed_on_a_cluster_and_open_on_one_machine(
    cluster, monkeypatch
):
    for path in cluster.iterdir():
        path.unlink()
    with pytest.raises(HttpProblem, match="TASADOR_FUNCTIONS_TOKEN is not set"):
        access.require_token(request(bearer("")))
    with pytest.raises(HttpProblem, match="TASADOR_EVENTS_KEY is not set"):
        access.require_seal(sealed(EVENT, "x"))
    monkeypatch.setenv("TASADOR_PLATFORM", "embedded")
    access.require_token(request())
    access.require_seal(EVENT)
    monkeypatch.setenv("TASADOR_FUNCTIONS_TOKEN", TOKEN)
    with pytest.raises(HttpProblem, match="has no token"):
        access.require_token(request())


@pytest.mark.parametrize("function", [record, reload])
def test_forged_event_is_refused(cluster, function):
    kind = PREDICTION_MADE if function is record else MODEL_PROMOTED
    forged = dataclasses.replace(EVENT, type=kind, data={"promotion": 1})
    for event in (forged, sealed(forged, "another key")):
        answer = guarded(function.FUNCTION.post, of(event))
        assert answer.status == 401
        assert "TASADOR_EVENTS_KEY" in json.loads(answer.body)["detail"]
    if function is record:
        batch = json.dumps([forged.structured()]).encode()
        answer = guarded(
            record.FUNCTION.post,
            request({"content-type": read.BATCHED}, batch),
        )
        assert answer.status == 401


def test_sealed_event_reaches_the_database(cluster):
    # Without one in the settings that is what the answer names.
    answer = guarded(record.FUNCTION.post, of(sealed(EVENT, KEY)))
    assert answer.status != 401
    answer = guarded(
        reload.FUNCTION.post,
        of(sealed(dataclasses.replace(EVENT, type=MODEL_PROMOTED, data={"promotion": 1}), KEY)),
    )
    assert answer.status == 503
    assert "TASADOR_DATABASE_URL" in json.loads(answer.body)["detail"]


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (EVENT, 401),
        (sealed(EVENT, KEY), 503),
        # Anybody may post these to the broker, which gives up on a wrong one.
        (dataclasses.replace(EVENT, type=PREDICTION_REQUESTED, data={"bed": "many"}), 503),
    ],
)
def test_dead_letters_are_stored_if_anybody_may_send_the_event_or_tasador_did(
    cluster, event, status
):
    (route,) = (r for r in record.FUNCTION.routes if r.path == "/dead-letters")
    assert guarded(route.view, of(event)).status == status


class DeadLetters:
    """Stands for the database."""

    def __init__(self):
        self.kept = []

    def warehouse(self):
        return self

    def save_dead_letter(self, letter):
        self.kept.append(letter)


def test_dead_letter_that_was_checked_keeps_its_body(cluster):
    database = DeadLetters()
    event = sealed(EVENT, KEY)
    assert dead_letters.store(database, of(event)).status == 204
    (letter,) = database.kept
    assert letter.body == event.body()


def test_what_a_shadow_did_not_accept_is_no_dead_letter(cluster):
    database = DeadLetters()
    # Knative names the address that answered, else its filter with the Trigger.
    for address, kept in (
        ("http://shadow-predict.tasador.svc.cluster.local", 0),
        ("http://broker-filter.knative-eventing.svc/triggers/tasador/shadow/4e", 0),
        ("http://record.tasador.svc.cluster.local", 1),
    ):
        event = sealed(dataclasses.replace(EVENT, extensions={"knativeerrordest": address}), KEY)
        assert dead_letters.store(database, of(event)).status == 204
        assert len(database.kept) == kept


def test_seal_covers_what_consumers_read_and_survives_every_mode():
    made = sealed(dataclasses.replace(EVENT, extensions={"correlationid": "c"}), KEY)
    headers = {k.lower(): v for k, v in made.headers().items()}
    binary = read.parse(headers, made.body())
    content = json.dumps(made.structured(), indent=2).encode()
    structured = read.parse({"content-type": read.STRUCTURED}, content)
    for event in (made, binary, structured):
        assert is_sealed(event, KEY)
        assert is_sealed(event, f"new,{KEY}")
        assert not is_sealed(event, "new")
        assert not is_sealed(event, "")
    for changed in (
        {"id": "2"},
        {"type": MODEL_PROMOTED},
        {"source": "/t"},
        {"data": {"predictions": [{"price": 1e21}]}},
        {"extensions": {**made.extensions, "correlationid": "d"}},
        {"extensions": {**made.extensions, SEAL: "ü"}},
    ):
        assert not is_sealed(dataclasses.replace(made, **changed), KEY)


def test_publishers_seal_and_flows_send_the_token_of_the_webhook(tmp_path):
    with http_sink(note=lambda headers, body: (dict(headers), body)) as (url, received):
        publish(EVENT, url, key=KEY)
        settings = Settings(home=tmp_path, broker_url=url, events_key=KEY)
        announce(EVENT, settings)
        announce(EVENT, settings._replace(argo_events_url=url, argo_events_token=TOKEN))
    *events, (webhook, _) = received
    assert len(events) == 3
    for headers, body in events:
        lower = {name.lower(): value for name, value in headers.items()}
        assert is_sealed(read.parse(lower, body), KEY)
        assert "authorization" not in lower
    assert {k.lower(): v for k, v in webhook.items()}["authorization"] == f"Bearer {TOKEN}"


def test_reply_of_predict_keeps_its_seal_after_the_request_was_joined(monkeypatch):
    asked = Event(
        type=PREDICTION_REQUESTED, source="/s", id="1", data={}, extensions={"correlationid": "c"}
    )
    made = sealed(build.in_reply_to(asked, EVENT), KEY)
    assert made.correlation_id == "c"
    assert is_sealed(made, KEY)
