"""JSON schemas of the functions' requests and responses, for their OpenAPI documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasador.listings.rules import RULES, STATUSES, Kind, Rule
from tasador.model.adjustments import ADJUSTED_FOR

Json = dict[str, Any]

# Printable characters of Latin scripts. Others are accepted if Python's version of Unicode knows
# them, which no pattern can express.
_TEXT: Json = {
    "type": ["string", "null"],
    "maxLength": 200,
    "pattern": "^[ -~\u00a1-\u00ac\u00ae-\u02ff]*$",
}
_CODE: Json = {
    **_TEXT,
    "type": ["string", "integer", "null"],
    "minimum": 0,
    "maximum": 10**15,
    "not": {
        "type": "string",
        "pattern": r"^ *[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+\.?[0-9]*[eE][+-]?[0-9]+"
        r"|\.[0-9]+[eE][+-]?[0-9]+) *$",
    },
}
TIME: Json = {"type": "string", "format": "date-time"}
STRING: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}


_OF_KIND: dict[Kind, Json] = {
    "number": {"type": ["number", "null"]},
    "name": _TEXT,
    "state": _TEXT,
    "code": _CODE,
    "status": {"enum": [*STATUSES, None]},
    "zip code": {
        "type": ["string", "integer", "null"],
        "pattern": "^[0-9]{1,5}$",
        "minimum": 0,
        "maximum": 99_999,
    },
    "date": {"type": ["string", "null"], "format": "date"},
}


def _field(rule: Rule) -> Json:
    limits: Json = {"minimum": rule.low, "maximum": rule.high} if rule.kind == "number" else {}
    unit = f", in {rule.unit}" if rule.unit else ""
    return {**_OF_KIND[rule.kind], **limits, "description": rule.means + unit}


_FIELDS: Json = {rule.column: _field(rule) for rule in RULES if rule.column != "price"}


def an_object(properties: Mapping[str, Any], required: Sequence[str] | None = None) -> Json:
    """An object; all properties are required unless ``required`` lists fewer."""
    needed = list(properties) if required is None else list(required)
    return {"type": "object", "properties": dict(properties), "required": needed}


def a_list(of: Json, **more: Any) -> Json:
    """An array."""
    return {"type": "array", "items": of, **more}


def ref(name: str) -> Json:
    """A schema of ``SCHEMAS``."""
    return {"$ref": f"#/components/schemas/{name}"}


_CONTRIBUTION = an_object({"feature": STRING, "value": STRING, "dollars": NUMBER})
_OPTIONAL_NUMBER: Json = {"type": ["number", "null"]}
_COMPARABLE = an_object(
    {
        "price": NUMBER,
        "bed": _OPTIONAL_NUMBER,
        "bath": _OPTIONAL_NUMBER,
        "house_size": _OPTIONAL_NUMBER,
        "acre_lot": _OPTIONAL_NUMBER,
        "zip_code": STRING,
        "km": {**NUMBER, "description": "between the centres of the two zip codes"},
        "alike": {**NUMBER, "description": "between 0 and 1"},
        "sold": {"type": "boolean", "description": "whether its price was paid, not asked"},
        "adjustments": {
            **an_object({name: {"type": "integer"} for name in ADJUSTED_FOR}),
            "description": "what each difference is worth, in dollars; they add up to adjusted",
        },
        "adjusted": {
            **NUMBER,
            "description": "its price, if it had the place, size, rooms and lot of the listing",
        },
        "remaining": {**NUMBER, "description": "adjusted + remaining = the listing's price"},
    }
)
_INTERVALS: Json = {
    "type": "object",
    "description": "by level: the probability in percent that the price is inside",
    "additionalProperties": an_object({"low": NUMBER, "high": NUMBER}),
}
_SHARE: Json = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_CLASS: Json = {"enum": ["high", "medium", "low"]}
_OF_CLASS: Json = {
    "p15_low": {**_SHARE, "description": "share of the class priced more than 15 % too low"},
    "p15_high": {**_SHARE, "description": "share of the class priced more than 15 % too high"},
    "ppe10": {**_SHARE, "description": "share of the class priced within 10 %"},
    "ppe20": {**_SHARE, "description": "share of the class priced within 20 %"},
}
_FSD: Json = {
    "type": "number",
    "minimum": 0,
    "description": "forecast standard deviation: 68 % of such listings are priced within it",
}
_CONFIDENCE: Json = {
    **an_object({"fsd": _FSD, "class": _CLASS, **_OF_CLASS}),
    "type": ["object", "null"],
    "description": "null if the model has not measured it; the shares are of the class, measured "
    "on the permanent holdout, and null for a class with too few rows there",
}
_CONFIDENCE_COLUMNS: Json = {
    **an_object(
        {
            "fsd": a_list(NUMBER),
            "class": a_list(_CLASS),
            "classes": an_object(dict.fromkeys(_CLASS["enum"], an_object(_OF_CLASS))),
        }
    ),
    "type": ["object", "null"],
}
_PRICES: Json = {
    "type": ["object", "null"],
    "properties": {"headline": {"enum": list(STATUSES)}, **dict.fromkeys(STATUSES, NUMBER)},
    "required": ["headline"],
    "additionalProperties": False,
    "description": "dollars by status; `headline` is the status of `price`. A listing without a "
    "status has two: for_sale, what it would be listed at, and sold, what it would sell for",
}
LINKS: Json = {"type": "object", "additionalProperties": STRING}
_READ_AS: Json = {
    "type": "object",
    "description": 'by field: the text that was read as another one, {"state": "Texas"} for "TX"',
    "additionalProperties": STRING,
}
_COMMON: Json = {
    "revision": STRING,
    "read_as": _READ_AS,
    "missing": a_list(STRING),
    "correlation_id": STRING,
}
_EVENT = an_object(
    {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1},
        "type": {"type": "string", "minLength": 1},
        "subject": STRING,
        "time": TIME,
        "datacontenttype": {"const": "application/json"},
        "data": {},
    },
    ("specversion", "id", "source", "type"),
)

_SAME_ID: Json = {**STRING, "description": "the same as `prediction_id`"}
_SAME_VERSION: Json = {"type": "integer", "description": "the same as `model.version`"}
_PREDICTION: Json = {
    "prediction_id": STRING,
    "request_id": _SAME_ID,
    "model_version": _SAME_VERSION,
    "price": {"type": "number", "exclusiveMinimum": 0, "description": "dollars"},
    "intervals": _INTERVALS,
    "confidence": _CONFIDENCE,
    "model": ref("Model"),
    "warnings": a_list(STRING),
    **_COMMON,
}

SCHEMAS: Json = {
    "Listing": {
        **an_object({**_FIELDS, "price": {"description": "ignored"}}, ()),
        "additionalProperties": False,
        "description": "Any field may be left out or null.",
        "examples": [{"state": "Texas", "zip_code": "77084", "bed": 3, "house_size": 1800}],
    },
    "Model": an_object({"name": STRING, "version": {"type": "integer"}, "digest": STRING}),
    "Prediction": an_object(
        {
            **_PREDICTION,
            "prices": {
                **_PRICES,
                "description": f"{_PRICES['description']}. "
                "Only for a single listing, not in a batch",
            },
        },
        list(_PREDICTION),
    ),
    "PricedColumns": an_object(
        {
            "rows": {"type": "integer"},
            "prediction_id": a_list(STRING),
            "price": a_list(NUMBER),
            "intervals": {
                "type": "object",
                "additionalProperties": an_object({"low": a_list(NUMBER), "high": a_list(NUMBER)}),
            },
            "confidence": _CONFIDENCE_COLUMNS,
            "read_as": {
                "type": "object",
                "description": 'by field and text sent: {"state": {"TX": "Texas"}}',
                "additionalProperties": {"type": "object", "additionalProperties": STRING},
            },
            "missing": {
                "type": "object",
                "description": "by field: the rows without a value, counted from 0",
                "additionalProperties": a_list({"type": "integer"}),
            },
            "warnings": a_list(an_object({"row": {"type": "integer"}, "warnings": a_list(STRING)})),
            "model": ref("Model"),
            "revision": STRING,
            "correlation_id": STRING,
        }
    ),
    "Explanation": an_object(
        {
            "price": NUMBER,
            "prices": _PRICES,
            "base": {"type": "number", "description": "base + contributions = price, in dollars"},
            "contributions": a_list(_CONTRIBUTION),
            "columns": a_list(_CONTRIBUTION),
            "comparables": a_list(_COMPARABLE),
            "sentence": STRING,
            "model_version": _SAME_VERSION,
            "base_value": {**NUMBER, "description": "the same as `base`"},
            "feature_names": {**a_list(STRING), "description": "`feature` of each of `columns`"},
            "shap_values": {**a_list(NUMBER), "description": "`dollars` of each of `columns`"},
            "intervals": _INTERVALS,
            "confidence": _CONFIDENCE,
            "warnings": a_list(STRING),
            "model": ref("Model"),
            **_COMMON,
        }
    ),
    "Places": an_object(
        {
            "model": ref("Model"),
            "states": a_list(STRING),
            "cities": an_object(
                {
                    "name": a_list(STRING),
                    "state": a_list(STRING),
                    "listings": a_list({"type": "integer"}),
                    "zip_code": a_list(STRING),
                }
            ),
            "zip_codes": an_object(
                {
                    "code": a_list(STRING),
                    "state": a_list(STRING),
                    "listings": a_list({"type": "integer"}),
                }
            ),
        }
    ),
    "Recorded": an_object(
        {
            "prediction_id": STRING,
            "predicted_at": TIME,
            "correlation_id": STRING,
            "model_name": STRING,
            "model_version": {"type": "integer"},
            "model_digest": STRING,
            "revision": STRING,
            "listing": an_object({key: {} for key in _FIELDS}, ()),
            "price": NUMBER,
            "intervals": {"type": "object", "additionalProperties": a_list(NUMBER)},
            "missing": a_list(STRING),
            "warnings": a_list(STRING),
            "latency_ms": NUMBER,
            "confidence": _CONFIDENCE,
            "prices": _PRICES,
        }
    ),
    "CloudEvent": _EVENT,
    "Problem": {
        **an_object(
            {
                "type": STRING,
                "title": STRING,
                "status": {"type": "integer"},
                "detail": STRING,
                "errors": a_list(an_object({"field": STRING, "reason": STRING, "value": STRING})),
                "final": {
                    "type": "boolean",
                    "description": "true: restart the process, since trying again does not help",
                },
            },
            ("type", "title", "status", "detail"),
        ),
        "description": "RFC 9457; `errors` names each rejected field.",
    },
}
