"""ModelRef: every form carries the same values, under its own names."""

from dataclasses import fields, replace

import pytest

from tasador.events import build
from tasador.model import model_ref
from tasador.model.model_ref import ModelRef
from tasador.rollout.backend import ServiceState
from tasador.rollout.plan import promoted_by_decision, promotion_in, revision_of
from tests.kit.records import make_decision, make_prediction, make_rollout

MODEL = ModelRef("tasador-price", 3, "d" * 64, "s3://mlflow/3/bundle", 7, "c-1")
FIELDS = [field.name for field in fields(ModelRef)]
FORMS = {
    name: form for name, form in vars(model_ref).items() if name[0].isupper() and name.isupper()
}
TEXT_FORMS = ("ENVIRONMENT", "EXTENSIONS")


def carried_by(form):
    """MODEL without the values that a form does not carry."""
    return ModelRef(**{field: getattr(MODEL, field) for field in form})


def test_every_form_is_known():
    assert set(FORMS) == {
        *(
            "DECISION",
            "CANDIDATE",
            "PROMOTED",
            "REJECTED",
            "ROLLOUT",
            "ROLLED_OUT",
            "PREDICTION",
            "ANSWER",
        ),
        *TEXT_FORMS,
    }
    assert all(set(form) <= set(FIELDS) for form in FORMS.values())


@pytest.mark.parametrize("name", [name for name in FORMS if name not in TEXT_FORMS])
def test_form_reads_back_what_it_writes(name):
    form = FORMS[name]
    assert ModelRef.read(form, MODEL.write(form)) == carried_by(form)


@pytest.mark.parametrize("name", TEXT_FORMS)
def test_text_form_reads_back_what_it_writes(name):
    form = FORMS[name]
    texts = MODEL.write_text(form)
    assert all(isinstance(text, str) for text in texts.values())
    assert ModelRef.read_text(form, texts) == carried_by(form)


def test_unknown_values_are_empty():
    assert ModelRef.read(model_ref.DECISION, {"promotion": None}) == ModelRef()
    assert ModelRef.read_text(model_ref.ENVIRONMENT, {"MODEL_VERSION": "three"}) == ModelRef()
    assert set(ModelRef().write_text(model_ref.ENVIRONMENT).values()) == {""}


def test_names_are_those_of_database_environment_and_events():
    assert list(model_ref.DECISION.values()) == [
        *("model_name", "version", "digest", "model_uri", "promotion", "correlation_id")
    ]
    assert list(model_ref.PREDICTION.values()) == [
        *("model_name", "model_version", "model_digest", "correlation_id")
    ]
    assert list(model_ref.ENVIRONMENT.values()) == [
        *("MODEL_NAME", "MODEL_VERSION", "MODEL_DIGEST", "MODEL_URI", "MODEL_PROMOTION"),
        "MODEL_CORRELATION_ID",
    ]
    assert list(model_ref.EXTENSIONS.values()) == ["modelversion", "modeldigest", "correlationid"]


def test_decision_event_and_revision_name_the_same_model():
    decision = make_decision(**MODEL.write(model_ref.DECISION))
    assert decision.model == promoted_by_decision(decision) == MODEL
    assert promotion_in(build.model_promoted(decision)) == MODEL.promotion
    environment = revision_of(MODEL, ServiceState(name="predict")).env
    assert ModelRef.read_text(model_ref.ENVIRONMENT, environment) == MODEL


def test_rollout_and_prediction_name_the_same_model():
    rollout = make_rollout(**MODEL.write(model_ref.ROLLOUT))
    assert rollout.model == replace(MODEL, uri="")
    prediction = make_prediction(**MODEL.write(model_ref.PREDICTION))
    assert prediction.model == replace(MODEL, uri="", promotion=0)
    event = build.prediction_made([prediction])
    assert ModelRef.read_text(model_ref.EXTENSIONS, event.extensions) == replace(
        prediction.model, name=""
    )
