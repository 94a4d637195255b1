"""GET /report/ID: record with the real database and a real explain."""

import pytest

from tasador.listings.listing import INPUTS
from tasador.model.bundle import Bundle
from tests.kit.functions import function, is_ready
from tests.kit.listings import simulated_listings
from tests.kit.models import make_bundle
from tests.kit.network import free_port
from tests.kit.records import make_batch, make_decision, make_prediction
from tests.kit.waiting import wait_for

NAME = "tasador-price"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "bundle"
    make_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def record(database, bundle, tmp_path_factory):
    home = tmp_path_factory.mktemp("functions")
    env = {"TASADOR_DATABASE_URL": database.database_url, "TASADOR_MODEL_NAME": NAME}
    with function("explain", home, MODEL_URI=str(bundle), MODEL_VERSION="3") as explain:
        env["TASADOR_FUNCTIONS_URL"] = str(explain.base_url)
        with function("record", home, **env) as client:
            wait_for(lambda: is_ready(client) and is_ready(explain))
            yield client


def recorded(warehouse, bundle, **changes):
    """A prediction of the bundle, as predict would record it."""
    listing = simulated_listings(5)[0]
    model = Bundle.load(bundle)
    prediction = make_prediction(
        **{
            "model_version": 3,
            "model_digest": model.manifest.digest,
            "listing": {name: getattr(listing, name) for name in INPUTS},
            **model.predict_one(listing),
            **changes,
        }
    )
    warehouse.log_predictions([prediction])
    return prediction


def test_a_report_has_the_reasons_of_the_model_that_made_the_estimate(record, warehouse, bundle):
    prediction = recorded(warehouse, bundle)
    warehouse.save_batch(make_batch(batch_id="reported"))
    warehouse.record_decision(
        make_decision(
            model_name=NAME,
            version=3,
            digest=prediction.model_digest,
            training_id="reported",
            batch_ids=["reported"],
        )
    )
    answer = record.get(f"/report/{prediction.prediction_id}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    for part in (
        f"${prediction.price:,.0f}",
        f"Confidence: <b>{prediction.confidence['class']}</b>",
        "Comparables, adjusted to the home",
        "The estimate</td>",
        prediction.model_digest,
        "batch reported",
    ):
        assert part in answer.text, part
    assert answer.text.count("<tr>") >= 10 + 3


def test_a_report_in_spanish_has_the_reasons_too(record, warehouse, bundle):
    prediction = recorded(warehouse, bundle)
    path = f"/report/{prediction.prediction_id}"
    answer = record.get(path, params={"language": "es"})
    assert (answer.status_code, answer.headers["content-language"]) == (200, "es")
    price = f"${prediction.price:,.0f}".replace(",", ".")
    for part in ('<html lang="es">', f'<p class="price">{price}</p>', "Comparables, ajustadas"):
        assert part in answer.text, part
    english = record.get(path, params={"language": "en"})
    assert english.text == record.get(path).text
    assert (english.headers["content-language"], '<html lang="en">' in english.text) == ("en", True)


@pytest.mark.parametrize("chosen", ["fr", "", "ES", "x" * 500])
def test_an_unknown_language_is_refused(record, warehouse, bundle, chosen):
    prediction = recorded(warehouse, bundle)
    answer = record.get(f"/report/{prediction.prediction_id}", params={"language": chosen})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert error == {"field": "language", "reason": "is not one of en, es", "value": chosen[:100]}


def test_another_version_in_service_explains_nothing(record, warehouse, bundle):
    prediction = recorded(warehouse, bundle, model_version=2, model_digest="d2")
    path = f"/report/{prediction.prediction_id}"
    page = record.get(path).text
    assert "Version 2 made this estimate, and version 3 serves now" in page
    assert f"prices the home at ${prediction.price:,.0f}" in page
    assert "Comparables, adjusted" not in page
    spanish = record.get(path, params={"language": "es"}).text
    assert "La versión 2 hizo esta estimación y ahora está en servicio la versión 3" in spanish
    assert f"en ${prediction.price:,.0f}.".replace(",", ".") in spanish


@pytest.mark.parametrize("identity", ["none", "a%3Fb", "%20"])
def test_an_unknown_prediction_has_no_report(record, identity):
    answer = record.get(f"/report/{identity}")
    assert (answer.status_code, "is recorded" in answer.text) == (404, True)


def test_a_report_needs_the_token_and_says_if_explain_is_down(
    database, warehouse, bundle, tmp_path
):
    prediction = recorded(warehouse, bundle)
    env = {
        "TASADOR_DATABASE_URL": database.database_url,
        "TASADOR_FUNCTIONS_TOKEN": "secret",
        "TASADOR_FUNCTIONS_URL": f"http://127.0.0.1:{free_port()}",
    }
    with function("record", tmp_path, **env) as client:
        wait_for(lambda: is_ready(client))
        path = f"/report/{prediction.prediction_id}"
        assert client.get(path).status_code == 401
        answer = client.get(path, headers={"authorization": "Bearer secret"})
        assert answer.status_code == 200
        assert "No reasons and no comparables now: explain does not answer" in answer.text
