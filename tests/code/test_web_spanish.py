"""The pages in Spanish: every text has a translation, and numbers and dates have Spanish marks."""

import ast
import re
import sys
from typing import get_args

import pytest

from tasador.gate import ratio_checks
from tasador.listings.rules import STATUSES
from tasador.records import loop
from tasador.settings import CHECKOUT
from tasador.valuation.spanish import SPANISH as VALUATION

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import (
    activity_view,
    amounts_view,
    checks_view,
    comparables_view,
    compare_view,
    estimate_view,
    languages,
    market_view,
    model_view,
    pipeline_view,
    predictions_view,
    view,
    words,
)
from tasador_web.actions import ACTIONS
from tasador_web.geography import Geography
from tasador_web.languages import address, language_of, speaking, text
from tasador_web.spanish import SPANISH

from tests.kit.translations import (
    TAKES_TEXTS,
    called,
    calls_of_text,
    constants,
    of_many_only,
    placeholders,
    wrongly_filled,
)
from tests.kit.valuation import EXPLANATION

WEB = CHECKOUT / "web" / "tasador_web"
CODE = [path for path in WEB.rglob("*.py") if path.parent.name != "spanish"]
# The texts of the web app alone.
OWN = [english for english in SPANISH if english not in VALUATION]


def gate_checks():
    """The names of the gate's checks, as its code writes them."""
    nodes = [
        node
        for path in (CHECKOUT / "tasador" / "gate").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
    ]
    given = [
        node.args[0]
        for node in nodes
        if isinstance(node, ast.Call) and called(node) == "make_check"
    ]
    return {
        *(each.value for each in given if isinstance(each, ast.Constant)),
        *("newest_batch_against_champion", "holdout_covers_champion"),
        *(f"ratio_{name}" for name in ratio_checks.CHECKED),
    }


# What modules give to ``text`` by a name.
NAMED = {
    *words.FIELDS.values(),
    *(label.lower() for label in words.FIELDS.values()),
    *(words.status(status) for status in STATUSES),
    *amounts_view._HEADLINES.values(),
    *estimate_view._CONFIDENCE.values(),
    *estimate_view._VERBS.values(),
    *compare_view._NAMES.values(),
    *predictions_view.PERIODS.values(),
    *words.CONFIDENCE_COLORS,
    *(label for label, _ in model_view.DECISIONS.values()),
    *(label for label, _ in market_view.VERDICTS.values()),
    *get_args(loop.RolloutOutcome),
    *(label for label, _ in activity_view.OUTCOMES.values()),
    *pipeline_view.STAGES,
    *("Ingest", "Drift", "Train", "Training", "Monitor", "Monitoring"),  # flows
    *market_view.FEATURES.values(),
    *market_view._UNITS.values(),
    *(measure.name for measure in model_view.MEASURES.values()),
    *(says for each in ACTIONS.values() for says in (each.title, each.question, each.button)),
    view.WAITS,
    *map(checks_view._spoken, gate_checks()),
}


# The modules that write what visitors read; a page that was not found has no language.
SPOKEN = re.compile(
    "pages/(?!missing).*|.*_(dialog|state|view)[.]py"
    "|(batch_files|batch_job|chart|layout|place_search|view|words)[.]py"
)
# Arguments that no visitor reads.
MACHINE = {
    *("accept", "auto_complete", "class_name", "color", "href", "html_for", "icon", "id"),
    *("input_mode", "key", "name", "role", "style", "track", "type", "view_box"),
}
PROSE = re.compile(r"[A-Z][a-z]|[a-z]{2,}[ ,.:] ?\w|\w [a-z]{2,}")
COMPONENTS = ("rx.el.", "rx.cond", "card", "badge", "folded", "nothing", "notice", "table", "frame")
UNREAD = {
    *("Tasador", "Kolmogorov-Smirnov", "Jensen-Shannon", "left out", "zip area"),
    *("list stacked", "hrefLang", "preserveAspectRatio", "Escape", "ArrowDown", "ArrowUp", "Flow"),
    *("tasador approve ", "tasador rollback ", "tasador_web.batch_job"),
    *("prices.csv", "-prices.csv", "listings.csv"),
}


def untranslated(path):
    """(line, text) of what a visitor reads and the module does not give to ``text``."""
    tree = ast.parse(path.read_text())
    around = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if isinstance(around[node], ast.Expr) or node.value in UNREAD:
            continue
        within = around[node]
        if node.value in SPANISH:
            # A name for a text is given to ``text`` elsewhere; a component shows it as it is.
            while isinstance(within, (ast.List, ast.JoinedStr)):
                within = around[within]
            if isinstance(within, ast.Call) and ast.unparse(within.func).startswith(COMPONENTS):
                yield node.lineno, node.value
        elif PROSE.search(node.value) and not unread(node, around):
            yield node.lineno, node.value


def unread(node, around):
    """Whether a text is for a machine, or is given to ``text``."""
    while node in around:
        node, inner = around[node], node
        if isinstance(node, ast.keyword) and node.arg in MACHINE:
            return True
        if inner in getattr(node, "args", [])[TAKES_TEXTS.get(called(node), slice(0))]:
            return True
        if called(node) in ("match", "fullmatch", "sub", "compile"):
            return True
    return False


def test_every_text_has_a_translation():
    found = [(where, each) for where, _, texts in calls_of_text(CODE) for each in texts]
    assert len(found) > 100
    assert [(where, each) for where, each in found if each not in SPANISH] == []
    assert sorted(each for each in NAMED if each not in SPANISH) == []


def test_pages_in_spanish_say_nothing_else():
    spanish = [
        path for path in sorted(WEB.rglob("*.py")) if SPOKEN.fullmatch(str(path.relative_to(WEB)))
    ]
    assert len(spanish) > 35
    found = [(path.name, *each) for path in spanish for each in untranslated(path)]
    assert found == []


def test_a_text_that_is_not_translated_is_found(tmp_path):
    (tmp_path / "page.py").write_text(
        'rx.el.p("Not in Spanish")\ncard("Columns", ["Rows"])\ntext("Rows")\n'
        'rx.el.p(class_name="hint big")\nrx.el.p(f"{count} homes of many")\n'
    )
    assert [says for _, says in sorted(untranslated(tmp_path / "page.py"))] == [
        "Not in Spanish",
        "Columns",
        "Rows",
        " homes of many",
    ]


def test_placeholders_are_the_same_and_are_filled():
    for english, spanish in SPANISH.items():
        assert placeholders(english) == placeholders(spanish), english
    assert wrongly_filled(CODE) == []


def test_texts_with_a_number_know_one_from_many():
    assert of_many_only(CODE) == []


def test_no_translation_is_left_over():
    used = {*constants(CODE), *NAMED} | refusals()
    assert sorted(english for english in OWN if english not in used) == []


def test_a_text_that_the_report_has_too_is_translated_once():
    catalogues = [path for path in (WEB / "spanish").glob("*.py") if path.stem != "__init__"]
    assert len(catalogues) > 5
    assert sorted(VALUATION.keys() & set(constants(catalogues))) == []


def refusals():
    """What readers of values and of files say of wrong ones, and accounts of a wrong password."""
    said = ("listings/value_reader.py", "scoring/price_file.py", "accounts/verbs.py")
    paths = [CHECKOUT / "tasador" / name for name in said]
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]
    return {n.value for n in nodes if isinstance(n, ast.Constant)} | {
        english for english in SPANISH if english.startswith(("is above", "is below"))
    }


def test_every_label_of_the_form_and_title_of_a_page_has_a_translation():
    code = "\n".join(path.read_text() for path in (WEB / "pages").glob("*.py"))
    titles = set(re.findall(r'^TITLE, ROUTE, ICON = "(\w+)"', code, re.MULTILINE))
    assert {"Estimate", "Service"} <= titles
    hints = set(re.findall(r'\bInput\("\w+", "([^"]+)"', code))
    assert "sq ft" in hints
    assert sorted(each for each in titles | hints if each not in SPANISH) == []


def test_every_page_is_in_both_languages():
    code = "\n".join(path.read_text() for path in (WEB / "pages").glob("*.py"))
    routes = re.findall(r'^TITLE, ROUTE, ICON = "\w+", "([^"]+)"', code, re.MULTILINE)
    assert sorted(routes) == sorted(languages.ROUTES)


@pytest.mark.parametrize("reason", ["is not a number", "is negative"])
def test_what_is_wrong_with_a_value_is_said_in_spanish(reason):
    assert reason in (CHECKOUT / "tasador/listings/value_reader.py").read_text()
    with speaking("es"):
        assert words.reason(reason) == SPANISH[reason]


def test_limits_in_reasons_have_spanish_marks():
    with speaking("es"):
        said = words.reason("is above 1,000,000 acres, which no listing can be")
        assert said == "supera 1.000.000 acres, y ninguna vivienda llega a tanto"
        assert words.reason("is below 1.5") == "es menor que 1,5"
        assert words.reason("is something new") == "is something new"


def test_numbers_and_dates_follow_the_language():
    def written():
        return [
            words.dollars(1234567),
            words.change(-1234.4),
            words.short_dollars(1_250_000),
            words.short_dollars(343_000),
            words.per_cent(0.125),
            words.number(1850.5),
            words.moment("2026-11-29T12:05:00+00:00"),
            words.duration(4.25),
            words.listed(["a", "b", "c"]),
            words.per_foot(175),
        ]

    assert written() == [
        "$1,234,567",
        "−$1,234",
        "$1.25M",
        "$343k",
        "12.5\N{NO-BREAK SPACE}%",
        "1,850.5",
        "2026-11-29 12:05 UTC",
        "4.2 s",
        "a, b and c",
        "$175 per sq ft",
    ]
    with speaking("es"):
        assert written() == [
            "$1.234.567",
            "−$1.234",
            "$1,25\N{NO-BREAK SPACE}M",
            "$343\N{NO-BREAK SPACE}mil",
            "12,5\N{NO-BREAK SPACE}%",
            "1.850,5",
            "29/11/2026 12:05 UTC",
            "4,2 s",
            "a, b y c",
            "$175 por pie²",
        ]


def test_spanish_numbers_are_read_as_they_are_written():
    with speaking("es"):
        for name, value in (("house_size", 1850.0), ("acre_lot", 0.25), ("bath", 2.5)):
            assert float(words.read_number(name, words.number(value))) == value


def test_warnings_and_reasons_of_a_price_are_in_spanish():
    with speaking("es"):
        said = words.warning("house_size 90,000 is outside the training range (400 to 9,500)", {})
        assert said.startswith("Un valor de 90.000 pies cuadrados para la superficie")
        sale = "prev_sold_date 1950-02-01 is outside the training range (2004 to 2022)"
        assert words.warning(sale, {}).startswith("Una última venta el 01/02/1950 es")
        steps = estimate_view.steps_of(EXPLANATION)
        sentence = estimate_view.sentence_of(EXPLANATION)
        cards = comparables_view.comparables_of(EXPLANATION, {}, Geography({}))
    assert (steps[0].name, steps[-1].name) == ("Una vivienda típica", "Su estimación")
    assert sentence.startswith("Respecto a una vivienda típica, ")
    assert all("Código postal" in card.where or "·" in card.where for card in cards)
    english = set(words.FIELDS.values())
    assert not english & {step.name for step in steps}


def test_pages_below_es_are_spanish():
    assert [language_of(path) for path in ("/", "/es", "/es/", "/es/compare", "/estimate")] == [
        "en",
        "es",
        "es",
        "es",
        "en",
    ]
    assert address("/") == "/"
    with speaking("es"):
        assert address("/") == "/es"
        assert address("/compare") == "/es/compare"
        assert address("/", "en") == "/"
    assert set(languages.LANGUAGES) == {"en", "es"}
    assert text("Copy") == "Copy"
