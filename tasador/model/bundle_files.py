"""The files of a verified bundle as objects; errors name the file."""

from __future__ import annotations

from pathlib import Path

from tasador.engine.booster import Booster
from tasador.engine.xgboost_library import StoredModel
from tasador.errors import BundleError
from tasador.model.encoder_files import from_files
from tasador.model.encoders import Encoders
from tasador.model.manifest import ENCODERS, FILLED, TABLES, TREES, Verified


def read_booster(
    path: Path, content: bytes, model: StoredModel | None, encoders: Encoders
) -> Booster:
    """A model file, already parsed as ``model`` if that is given, for the encoders' features."""
    try:
        booster = Booster(model or StoredModel(content))
    except BundleError as error:
        raise BundleError(f"{path} cannot be loaded: {error}") from error
    if booster.features != (features := len(encoders.feature_names)):
        raise BundleError(
            f"{path} takes {booster.features} features instead of {features}: "
            "another version of Tasador wrote it"
        )
    return booster


def read_encoders(verified: Verified) -> Encoders:
    """The fitted encoders."""
    try:
        return from_files(verified.contents[ENCODERS], verified.contents[TABLES])
    except BundleError as error:
        raise BundleError(f"{verified.folder / ENCODERS} with {TABLES}: {error}") from error


def files_of_trees(verified: Verified) -> Verified | None:
    """Only the files that ``stored_trees`` reads, so that the others' memory is released."""
    if TREES not in verified.contents:
        return None
    return verified._replace(contents={n: verified.contents[n] for n in (TREES, *FILLED)})
