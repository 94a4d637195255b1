"""The valuation report in Spanish: every text has a translation, and no other language is left."""

import re
from dataclasses import replace

import pytest

from tasador.listings.rules import STATUSES
from tasador.settings import CHECKOUT
from tasador.valuation import cautions, evidence, languages, report, words
from tasador.valuation.languages import speaking
from tasador.valuation.spanish import SPANISH
from tests.code.test_valuation_report import Tags, text_of
from tests.kit.records import make_prediction
from tests.kit.translations import (
    calls_of_text,
    constants,
    of_many_only,
    placeholders,
    wrongly_filled,
)
from tests.kit.valuation import EXPLANATION, HOSTILE, ORIGIN, PREDICTION, WARNED, hostile

CODE = [
    *(p for p in (CHECKOUT / "tasador" / "valuation").glob("*.py") if p.stem != "spanish"),
    CHECKOUT / "functions" / "reports.py",
]
# What modules give to ``text`` by a name.
NAMED = {
    *words.FIELDS.values(),
    *(label.lower() for label in words.FIELDS.values()),
    *map(words.status, STATUSES),
    *cautions._UNITS.values(),
    *cautions._UNKNOWN.values(),
    *report._HEADLINES.values(),
    *(unit for unit in report._FACTS.values() if unit),
    *(head for head in evidence._HEADS if head),
    *("high", "medium", "low"),  # classes of confidence
    "sq ft",  # a unit of an explanation
}


def test_every_text_has_a_translation():
    found = [(where, each) for where, _, texts in calls_of_text(CODE) for each in texts]
    assert len(found) > 40
    assert [(where, each) for where, each in found if each not in SPANISH] == []
    assert sorted(each for each in NAMED if each not in SPANISH) == []


def test_no_translation_is_left_over():
    used = {*constants(CODE), *NAMED}
    assert sorted(english for english in SPANISH if english not in used) == []


def test_placeholders_are_the_same_and_are_filled():
    for english, spanish in SPANISH.items():
        assert placeholders(english) == placeholders(spanish), english
    assert wrongly_filled(CODE) == []


def test_texts_with_a_number_know_one_from_many():
    assert of_many_only(CODE) == []


def test_no_translation_is_markup():
    assert [spanish for spanish in SPANISH.values() if re.search("[<>&\"']", spanish)] == []


def words_of(page):
    return set(re.findall(r"[^\W\d_]{2,}", text_of(page)))


@pytest.mark.parametrize(
    ("prediction", "explanation", "origin"),
    [
        (WARNED, EXPLANATION, ORIGIN),
        (WARNED, {**EXPLANATION, "comparables": []}, replace(ORIGIN, batches=[])),
        (PREDICTION, {**EXPLANATION, "columns": EXPLANATION["columns"] * 3}, None),
        (
            make_prediction(listing={}, confidence=None, revision="", correlation_id=""),
            None,
            replace(ORIGIN, batches=[*ORIGIN.batches] * 9),
        ),
    ],
)
def test_a_report_says_nothing_that_is_not_translated(monkeypatch, prediction, explanation, origin):
    # With a catalogue whose texts have their placeholders alone, only values remain.
    silent = {each: " ".join(f"{{{name}}}" for name in placeholders(each)) for each in SPANISH}
    monkeypatch.setattr(languages, "SPANISH", silent)
    with speaking("es"):
        page = report.report(prediction, explanation, "", origin)
    values = f"{prediction} {origin} {explanation} {ORIGIN.batches[0][0][:12]} UTC mi"
    assert words_of(page) - set(re.findall(r"[^\W\d_]{2,}", values)) == set()


def test_a_report_in_spanish():
    with speaking("es"):
        page = report.report(WARNED, EXPLANATION, "", ORIGIN)
    Tags(page)
    assert '<html lang="es">' in page
    said = text_of(page)
    for part in (
        "Informe de valoración Houston, Texas, 77084",
        "Estimación del 31/01/2026 12:00 UTC, hecha por tasador-price@2.",
        "$412.345",
        "entre $350.000 y $480.000 (80 de cada 100); $320.000 y $530.000 (90 de cada 100)",
        "La estimación es el precio al que se anunciaría; el precio al que se vendería: $398.765 .",
        "Confianza: media (84 puntos de 100)",
        "Superficie 90.000 pies²",
        "Terreno 0,21 acres",
        "Situación en venta",
        "Última venta 01/02/1950",
        "Sin indicar código de la calle",
        "Atención: Un valor de 90.000 pies cuadrados para la superficie es poco habitual: las "
        "viviendas que conocemos tienen de 400 a 9.500. No conocemos ningún agente con el código "
        "352. Una última venta el 01/02/1950 es poco habitual: las ventas que conocemos van de "
        "2004 a 2022. Y 1 más.",
        "Una vivienda típica en todo el país $380.000",
        "Viviendas parecidas de la zona +$30.000",
        "3 dorm., 1 baño, 1.750 pies², 0,25 acres",
        "77084, 1,0 mi",
        "98 %",
        "$404.000, pedido",
        "Promovida 31/01/2026 12:00 UTC por los controles; ejecución run-1",
        "Lotes de entrenamiento 0123456789ab (2.496 filas, 30/01/2026)",
    ):
        assert part in said, part


def test_english_is_the_language_unless_another_is_spoken():
    page = report.report(PREDICTION, EXPLANATION, "", ORIGIN)
    assert '<html lang="en">' in page
    assert "Valuation report" in page


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup_in_spanish(text):
    prediction, explanation, origin = hostile(text)
    with speaking("es"):
        tags = Tags(report.report(prediction, explanation, "", origin)).found
        allowed = set(Tags(report.report(PREDICTION, EXPLANATION, "", ORIGIN)).found) | {"p"}
    assert set(tags) == allowed


def test_a_warning_of_another_form_stays_as_it_is():
    for says in ("something new", "is beyond the listings around it: priced as 3"):
        with speaking("es"):
            assert cautions.warning(says, {}) == says


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [("en", "1 acre", "0.25 acres"), ("es", "1 acre", "0,25 acres")],
)
def test_one_acre_is_no_acres(language, one, other):
    with speaking(language):
        assert [words.written(value) for value in ("1 acre", "1 acres")] == [one, one]
        assert words.written("0.25 acres") == other
        assert words.written("77084") == "77084"
        assert languages.counted(1, "{one} ba", "{count} ba").endswith(("1 ba", "1 baño"))
