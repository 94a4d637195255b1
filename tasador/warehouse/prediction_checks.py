"""The CHECK constraints of raw.inference_logs, as SQL by name."""

from __future__ import annotations

# What readers of predictions rely on, as ``tasador.events.predictions`` checks it: sums of prices
# stay finite, and JSON has the form that the summary expects.
_EACH = 'strict $[*] ? (@.type() != "string")'
_BOUNDS = (
    'strict $.* ? (@.type() != "array" || @.size() != 2 || @[0].type() != "number"'
    ' || @[1].type() != "number" || @[0] > @[1] || @[0] < 0 || @[1] > 10000000000)'
)
PREDICTION_CHECKS = {
    "prediction_id_is_an_id": "prediction_id ~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$'",
    "predicted_at_in_range": (
        "predicted_at >= '2000-01-01 00:00:00+00' and predicted_at < '2200-01-01 00:00:00+00'"
    ),
    "model_version_not_negative": "model_version >= 0",
    "price_in_range": "price > 0 and price <= 10000000000",
    "latency_in_range": "latency_ms >= 0 and latency_ms <= 86400000",
    "listing_is_an_object": "jsonb_typeof(listing) = 'object'",
    "intervals_are_bounds": (
        f"jsonb_typeof(intervals) = 'object' and not jsonb_path_exists(intervals, '{_BOUNDS}')"
    ),
    "missing_are_texts": (
        f"jsonb_typeof(missing) = 'array' and not jsonb_path_exists(missing, '{_EACH}')"
    ),
    "warnings_are_texts": (
        f"jsonb_typeof(warnings) = 'array' and not jsonb_path_exists(warnings, '{_EACH}')"
    ),
    "confidence_has_fsd_and_class": (
        "confidence is null or coalesce(jsonb_typeof(confidence -> 'fsd') = 'number'"
        " and confidence ->> 'class' in ('high', 'medium', 'low'), false)"
    ),
    "prices_have_a_headline": (
        "prices is null or coalesce(jsonb_typeof(prices -> 'headline') = 'string', false)"
    ),
}
