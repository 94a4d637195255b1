"""Tasador: price models that notice when the market moves and replace themselves.

``__all__`` lists the public names; docs/api.md describes them. They are imported at first use, so
``import tasador`` imports nothing else. Every other name may change without notice.
"""

# Metaflow ships this package with every flow's code package.
METAFLOW_PACKAGE_POLICY = "include"

# Public name -> the module that defines it, and its name there.
_PUBLIC = {
    "Bundle": ("tasador.model.bundle", "Bundle"),
    "DriftReport": ("tasador.drift.report", "DriftReport"),
    "Evaluation": ("tasador.gate.measures", "Evaluation"),
    "Judge": ("tasador.drift.judge", "Judge"),
    "Listing": ("tasador.listings.listing", "Listing"),
    "ScoreSummary": ("tasador.scoring.price_file", "ScoreSummary"),
    "Settings": ("tasador.settings", "Settings"),
    "SourceClient": ("tasador.source.client", "SourceClient"),
    "TasadorError": ("tasador.errors", "TasadorError"),
    "explain": ("tasador.model.contributions", "explain"),
    "judge_batch": ("tasador.drift.judge", "judge_batch"),
    "judge_challenger": ("tasador.gate.checks", "judge"),
    "judge_requests": ("tasador.drift.judge", "judge_requests"),
    "make_reference": ("tasador.drift.reference", "make_reference"),
    "read_csv": ("tasador.listings.table", "read_csv"),
    "read_listing": ("tasador.listings.listing", "read_listing"),
    "score_csv": ("tasador.scoring.price_file", "score_csv"),
    "train_to_folder": ("tasador.training.from_csv", "train_to_folder"),
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> object:
    """Import a public name at its first use (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _PUBLIC[name]
    value: object = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
