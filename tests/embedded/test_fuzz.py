"""Thousands of requests that nobody would write by hand, to real function processes.

Schemathesis makes them from the OpenAPI document that the function itself serves and judges every
answer by it; Hypothesis makes CloudEvents, whole and broken. TASADOR_FUZZ_CASES is how many in
all; the same ones every time unless TASADOR_FUZZ_RANDOM is set, as `./taskw test:fuzz` does.
"""

import json
import logging
import math
import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tasador.events import build, read
from tasador.events.event import MODEL_PROMOTED, PREDICTION_MADE, PREDICTION_REQUESTED
from tasador.warehouse.connection import connect
from tasador.warehouse.warehouse import Warehouse
from tests.embedded.test_functions import made
from tests.kit.events import (
    ANY_CHARACTER,
    ANY_JSON,
    CONTENT_TYPES,
    as_json,
    attributes,
    binary_requests,
    header_value,
    mostly,
    structured_requests,
)
from tests.kit.functions import function, is_ready
from tests.kit.models import make_bundle
from tests.kit.waiting import wait_for

log = logging.getLogger(__name__)

CASES = int(os.environ.get("TASADOR_FUZZ_CASES", "2000"))
FUNCTIONS = ("predict", "explain", "record", "reload")
ANY_TEXT_WILL_DO = "GET /predictions/{prediction_id}"
# The rest of the addresses have no input; a few cases each say all there is to say.
FUZZED = {
    "predict": {"POST /": 2, "POST /predict": 3, "POST /batch_predict": 1},
    "explain": {"POST /": 1, "POST /explain": 2},
    "record": {
        "POST /": 2,
        "GET /predictions/history": 1,
        ANY_TEXT_WILL_DO: 1,
    },
    "reload": {"POST /": 1, "POST /reload": 1},
}
# These accept requests that are events by their headers; POST / answers only those of its type.
EVENTS_ALONE = ("POST /", "POST /dead-letters")
# A text is a cursor only if the function has made it.
NOT_ALL_TAKEN = (*EVENTS_ALONE, "GET /predictions/history")
SETTINGS = settings(
    deadline=None,
    database=None,
    derandomize="TASADOR_FUZZ_RANDOM" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
# Any one request; a process that hangs must not hang the test.
SECONDS = 20


@pytest.fixture(scope="module")
def processes(platform, tmp_path_factory):
    """A client of each function, all of them ready."""
    folder = tmp_path_factory.mktemp("fuzz")
    make_bundle(folder / "bundle")
    model = {"MODEL_URI": str(folder / "bundle")}
    store = {"TASADOR_DATABASE_URL": platform.database_url}
    # A separate one without promotions: other tests' promotions must not be rolled out here.
    empty = {"TASADOR_DATABASE_URL": another_database(platform, "fuzz")} | {
        f"TASADOR_{name.upper()}": getattr(platform, name)
        for name in ("gateway_admin_url", "gateway_token", "functions_url", "broker_url")
    }
    with (
        function("predict", folder, **model) as predict,
        function("explain", folder, **model) as explain,
        function("record", folder, **store) as record,
        function("reload", folder, **empty) as reload,
    ):
        clients = {"predict": predict, "explain": explain, "record": record, "reload": reload}
        for client in clients.values():
            wait_for(lambda client=client: is_ready(client))
        yield clients


def another_database(platform, name):
    """The URL of a new database of the platform's Postgres, with the tables of a warehouse."""
    engine = connect(platform.database_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"create database {name}")
    engine.dispose()
    url = urlsplit(platform.database_url)._replace(path=f"/{name}").geturl()
    with Warehouse(url) as warehouse:
        warehouse.migrate()
    return url


def answers_still(name, client):
    """A plain request is answered as ever."""
    assert is_ready(client)
    if name == "record":
        answer = client.get("/predictions/history")
    else:
        plain = {"reload": "/reconcile"}.get(name, f"/{name}")
        answer = client.post(plain, json={"bed": 3})
    assert answer.status_code == 200, answer.text


# -- by the document ----------------------------------------------------------------------------


@dataclass
class Judge:
    """Sends cases and judges the answers by the document; counts both kinds of answer."""

    url: str
    mode: GenerationMode = GenerationMode.POSITIVE
    session: requests.Session = field(default_factory=requests.Session)
    cases: int = 0
    taken: int = 0
    refused: int = 0

    def case(self, case):
        """Send one."""
        answer = case.call(base_url=self.url, session=self.session, timeout=SECONDS)
        self.cases += 1
        self.taken += answer.status_code < 300
        self.refused += 400 <= answer.status_code < 500
        # A document that allows 503 would let one pass, but no store is away here.
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        judged = [
            not_a_server_error,
            checks.status_code_conformance,
            checks.content_type_conformance,
            checks.response_headers_conformance,
            checks.response_schema_conformance,
        ]
        if self.mode is GenerationMode.POSITIVE and case.operation.label not in NOT_ALL_TAKEN:
            judged.append(checks.positive_data_acceptance)
        case.validate_response(answer, checks=judged)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_responses_match_the_openapi_document(processes, name):
    client = processes[name]
    url = str(client.base_url)
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    schema.validate()
    judge = Judge(url)
    operations = {op.ok().label: op.ok() for op in schema.get_all_operations()}
    weights = FUZZED[name]
    assert set(weights) <= set(operations)
    share = CASES / len(FUNCTIONS) / sum(weights.values())
    for label, operation in operations.items():
        modes = list(GenerationMode) if label in weights else [GenerationMode.POSITIVE]
        if label == ANY_TEXT_WILL_DO:
            modes.remove(GenerationMode.NEGATIVE)
        count = math.ceil(share * weights.get(label, 0) / len(modes)) + 1
        for judge.mode in modes:
            strategy = operation.as_strategy(generation_mode=judge.mode)
            settings(SETTINGS, max_examples=count)(given(strategy)(judge.case))()
    log.info("%s: %d cases, %d taken, %d refused", name, judge.cases, judge.taken, judge.refused)
    assert judge.cases >= CASES // len(FUNCTIONS)
    # Cases that are all refused at the door, or all taken, would test little; but where nothing was
    # promoted reload can take none.
    assert judge.taken > judge.cases // 20 or name == "reload"
    assert judge.refused > judge.cases // 10
    answers_still(name, client)


# -- GET ----------------------------------------------------------------------------------------

# httpx sends none that is longer.
LONGEST_ADDRESS = 65_000
ODD_VALUES = ANY_CHARACTER | st.sampled_from(
    ["\x00", "9" * 5000, "0" * 5000 + "7", "1e999", "-1", "²", "nan", "x" * 60_000, "../..", "%"]
)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_get_is_a_500(processes, name):
    client = processes[name]
    paths = client.get("/openapi.json").json()["paths"]
    # Names of parameters that the document has, and one that it has not.
    queries = {
        path: ["x", *(p["name"] for p in operations["get"].get("parameters", []))]
        for path, operations in paths.items()
        if "get" in operations
    }

    @settings(SETTINGS, max_examples=max(60, CASES // 20))
    @given(st.data())
    def answered(data):
        path = data.draw(st.sampled_from(sorted(queries)))
        query = data.draw(st.dictionaries(st.sampled_from(queries[path]), ODD_VALUES, max_size=3))
        value = header_value(data.draw(ODD_VALUES)).replace("/", "%2F")
        address = re.sub(r"\{\w+\}", lambda _: value, path)
        address += "?" + "&".join(f"{key}={header_value(text)}" for key, text in query.items())
        assume(len(address) < LONGEST_ADDRESS)
        answer = client.get(address, timeout=SECONDS)
        # 503 is what reload answers while it waits for something.
        assert answer.status_code != 500, (address[:300], answer.text)

    answered()
    answers_still(name, client)


# -- CloudEvents --------------------------------------------------------------------------------

LISTING = {"state": "Texas", "zip_code": "77084", "bed": 3, "house_size": 1800.0}
RECORDED = json.loads(json.dumps(build.prediction_as_json(made())))


@st.composite
def spoilt(draw, good):
    """``good`` with some of its fields gone, replaced or joined by others."""
    changed = dict(good)
    for key in draw(st.lists(st.sampled_from(sorted(good)), max_size=3)):
        if draw(st.booleans()):
            changed.pop(key, None)
        else:
            changed[key] = draw(ANY_JSON)
    changed.update(draw(st.dictionaries(st.text(max_size=10), ANY_JSON, max_size=1)))
    return changed


GOOD = {
    "predict": (PREDICTION_REQUESTED, LISTING),
    "explain": (PREDICTION_REQUESTED, LISTING),
    "record": (PREDICTION_MADE, RECORDED),
    # Well-formed promotions are rolled out, so these lack a field.
    "reload": (MODEL_PROMOTED, {"model_name": "m", "version": 1, "digest": "d"}),
}


@st.composite
def posts(draw, name):
    """(headers, body) of a request that is meant to be an event in one of the modes, or broken."""
    type_, data = GOOD[name]
    many = st.lists(spoilt(data), max_size=3).map(lambda rows: {"predictions": rows})
    any_data = st.just(data) | mostly(data, spoilt(data) | many | ANY_JSON)
    mode = draw(st.sampled_from(["binary", "structured", "batched", "broken"]))
    if mode == "binary":
        return draw(binary_requests(type_=type_, data=any_data))
    if mode == "structured":
        return draw(structured_requests(type_=type_, data=any_data))
    if mode == "batched":
        batch = draw(st.lists(attributes(ANY_CHARACTER | ANY_JSON, type_=type_), max_size=4))
        whole = [{**each, "data": draw(any_data)} for each in batch]
        return {"content-type": read.BATCHED}, as_json(whole)
    headers, _ = draw(binary_requests(type_=type_))
    headers["content-type"] = draw(CONTENT_TYPES)
    return headers, draw(st.binary(max_size=200) | ANY_JSON.map(as_json))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_survive_random_events(processes, name):
    client = processes[name]
    statuses = {}

    @settings(SETTINGS, max_examples=max(50, CASES // 6))
    @given(posts(name))
    def answered(post):
        headers, body = post
        encoded = [(k.encode(), v.strip().encode("latin-1")) for k, v in headers.items()]
        answer = client.post("/", content=body, headers=httpx.Headers(encoded), timeout=SECONDS)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (headers, body, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]

    answered()
    log.info("%s: answers by status: %s", name, statuses)
    taken = sum(count for status, count in statuses.items() if status < 300)
    assert 0.05 < taken / sum(statuses.values()) < 0.8 or name == "reload"
    answers_still(name, client)
