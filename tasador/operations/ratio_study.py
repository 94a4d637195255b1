"""The ratio study of a model on a CSV of listings with prices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from tasador.errors import ConfigurationError, TasadorError
from tasador.listings.csv_file import TableError
from tasador.listings.listing import MARKET_PRICE
from tasador.listings.table import Rejected, columns_of, read_csv
from tasador.operations.census import by_row, read_census
from tasador.ratio_study.fairness import Disparity, disparities, fifths
from tasador.ratio_study.groups import parts_of
from tasador.ratio_study.study import Study, study
from tasador.settings import Settings

if TYPE_CHECKING:
    from tasador.model.bundle import Bundle
    from tasador.progress import Progress

RowsOf = Literal["holdout", "all"]
_REGISTERED = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvStudy:
    """A study, the model (name@version) and its digest, and which rows of the file were left out.

    ``left_out`` counts rows by reason. ``disparities`` compare zip codes by the columns of a
    census; empty without one.
    """

    study: Study
    model: str
    digest: str
    left_out: dict[str, int]
    disparities: list[Disparity] = field(default_factory=list)


def study_csv(
    bundle: str,
    csv_path: Path,
    rows: RowsOf,
    settings: Settings,
    progress: Progress | None = None,
    census: Path | None = None,
) -> CsvStudy:
    """Price the listings of a CSV and study the estimates against its prices.

    ``rows`` are the properties of the permanent holdout, which no model is trained on, or all.
    ``census`` is a table of zip codes (see ``read_census``): the study has a group for each fifth
    of its columns. Raises TableError, naming the file, if no row is left, and what ``open_bundle``
    and ``read_census`` raise.
    """
    figures = {} if census is None else read_census(census)
    model = open_bundle(bundle, settings)
    report = progress or (lambda _stage, _fraction, _message: None)
    report("read", 0.0, str(csv_path))
    frame, rejected = read_csv(csv_path)
    report("read", 1.0, f"{len(frame):,} rows, {len(rejected):,} rejected")
    low, high = MARKET_PRICE
    on_market = frame["price"].between(low, high).to_numpy(dtype=bool)
    wanted = frame["holdout"].to_numpy(dtype=bool) | (rows == "all")
    left_out = {
        "rejected as unreadable": len(rejected),
        f"priced outside ${low:,.0f} to ${high:,.0f}": int((~on_market).sum()),
        "not in the permanent holdout": int((on_market & ~wanted).sum()),
    }
    usable = frame[on_market & wanted]
    if len(usable) == 0:
        raise TableError(_nothing_left(csv_path, len(frame) + len(rejected), left_out, rejected))
    columns = columns_of(usable)
    keys = usable["property_key"].to_numpy(dtype=object)
    report("study", 0.0, f"{len(usable):,} rows")
    estimate = np.asarray(model.predict(columns).price)
    makeup = by_row(figures, columns["zip_code"])
    parts = {**parts_of(columns), **{name: fifths(values) for name, values in makeup.items()}}
    result = study(estimate, columns["price"], keys, parts)
    report("study", 1.0, f"{len(usable):,} rows, {len(result.groups)} groups")
    return CsvStudy(
        study=result,
        model=f"{model.manifest.name}@{model.manifest.version}",
        digest=model.manifest.digest,
        left_out={why: count for why, count in left_out.items() if count},
        disparities=disparities(estimate, columns["price"], columns["zip_code"], makeup),
    )


def open_bundle(reference: str, settings: Settings) -> Bundle:
    """Load a bundle: a folder, s3://bucket/prefix, models:/name@alias or models:/name/version.

    Raises BundleError, ConfigurationError, StoreUnavailable or RegistryError.
    """
    from tasador.model.bundle import Bundle

    if reference.startswith("models:"):
        return _registered(reference, settings)
    if "://" in reference:
        from tasador.stores.bundles import fetch_bundle

        return Bundle.of(fetch_bundle(reference, "", settings.home / "cache" / "bundles", settings))
    return Bundle.load(reference)


def _registered(reference: str, settings: Settings) -> Bundle:
    from tasador.stores.lake import Lake
    from tasador.stores.registry import Registry

    match = _REGISTERED.fullmatch(reference)
    if match is None:
        raise ConfigurationError(
            f"{reference!r} is not a registered model: write models:/NAME@champion or "
            "models:/NAME/VERSION"
        )
    settings.require("mlflow_url", "s3_endpoint")
    registry = Registry(settings._replace(model_name=match["name"]))
    if match["version"]:
        # Rejected versions, which nobody signs, are studied too.
        return Lake(settings).load_bundle(
            registry.version(int(match["version"])).model, signed=False
        )
    for version in registry.versions():
        if match["alias"] in version.aliases:
            return Lake(settings).load_bundle(version.model)
    raise TasadorError(
        f"{match['name']} has no version with the alias {match['alias']!r}; `tasador models` lists "
        "the existing ones"
    )


def _nothing_left(
    path: Path, rows: int, left_out: dict[str, int], rejected: Sequence[Rejected]
) -> str:
    reasons = ", ".join(f"{count:,} {why}" for why, count in left_out.items() if count)
    says = f"{path} has no row to study: {reasons or 'it has only a header'}"
    if rejected and len(rejected) == rows:
        line, problems = rejected[0]
        return f"{says}; line {line}: {problems[0].field} {problems[0].reason}"
    if left_out["not in the permanent holdout"]:
        return f"{says}. With --rows all, rows that the model may have been trained on count too"
    return says
