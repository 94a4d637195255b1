"""The manifest of a model bundle: what the folder holds, and proof that it is undamaged.

The digest identifies the model. It covers every file (by its sha256) and the fields of the manifest
that determine prices, and excludes name, version, metrics and dates: registering a model does not
change its digest. Two trainings with the same seed on the same data give the same digest, if code
and bundle format are the same too.

Format 5 added trees.npz and the two filled models, which training derives from model.ubj and
spread.ubj. They change the digest but no price. A bundle of format 4 has no such files; it stays
servable with its digest, and the library evaluates its trees. Format 6 added coordinates to the
features. Bundles of formats 4 and 5 do not have them, and give the prices that they always gave.
Format 7 added ``size_factors``; the intervals of older bundles are those that they always had.
Format 8 added what homes in a zip code are worth to the features; older bundles do without.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from tasador.errors import BundleError

FORMAT = 8
MANIFEST = "manifest.json"
# The fitted encoders: names and numbers, and their tables.
ENCODERS = "encoders.json"
TABLES = "tables.npz"
# The trees that correct the price, and those that predict the error, as xgboost's UBJSON.
MODEL = "model.ubj"
SPREAD = "spread.ubj"
# The same trees as arrays, and as models for rows without missing values.
TREES = "trees.npz"
FILLED = ("model-filled.ubj", "spread-filled.ubj")
GOLDEN = "golden.json"
FILES = (ENCODERS, TABLES, MODEL, SPREAD, TREES, *FILLED, GOLDEN)
_FILES_OF_FORMAT = {
    4: (ENCODERS, TABLES, MODEL, SPREAD, GOLDEN),
    **dict.fromkeys(range(5, FORMAT + 1), FILES),
}

# Fields that may change while the model stays the same.
_LABELS = (
    "name",
    "version",
    "digest",
    "metrics",
    "ratio_study",
    "confidence",
    "git_sha",
    "created",
)
# Fields that older bundles lack.
_LATER = frozenset({"ratio_study", "confidence", "size_factors"})
# Those of them that determine an answer, and the format that brought them. An older bundle keeps
# its digest.
_SINCE = {"size_factors": 7}


class Manifest(NamedTuple):
    """What a bundle says about itself.

    ``version`` is 0 until the model is registered. ``intervals`` maps a level ("80") and a group of
    ``tasador.model.intervals`` to the distances below and above the price, in units of the error
    that ``spread.ubj`` predicts times its factor in ``size_factors``, which is empty before format
    7. ``data`` has rows, properties, batch_ids and fingerprint of the training data; ``ranges`` the
    training range of each number; ``categories`` the known states; ``files`` the sha256 of each
    file; ``created`` is ISO 8601 in UTC. ``ratio_study`` is ``Study.summary()`` of
    ``tasador.ratio_study``, ``confidence`` what ``tasador.ratio_study.confidence`` measured; both
    are empty for a bundle older than that, or without enough holdout rows.
    """

    name: str
    version: int
    digest: str
    features: list[str]
    metrics: dict[str, float]
    intervals: dict[str, dict[str, list[float]]]
    data: dict[str, Any]
    params: dict[str, Any]
    ranges: dict[str, list[float]]
    categories: dict[str, list[str]]
    files: dict[str, str]
    git_sha: str
    created: str
    xgboost: str
    format: int
    ratio_study: dict[str, Any]
    confidence: dict[str, Any]
    size_factors: dict[str, Any]


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with the digest of its content."""
    content = {
        name: value
        for name, value in manifest._asdict().items()
        if name not in _LABELS and manifest.format >= _SINCE.get(name, 0)
    }
    return manifest._replace(digest=hashlib.sha256(_canonical(content)).hexdigest())


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json atomically, with a checksum of its content."""
    content = manifest._asdict()
    content["checksum"] = hashlib.sha256(_canonical(content)).hexdigest()
    from tasador.machine.files import replace_file  # serving only reads

    replace_file(folder / MANIFEST, json.dumps(content, indent=1, allow_nan=False).encode() + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read manifest.json; raises BundleError if it is absent, damaged or of another format."""
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BundleError(f"{folder} is not a model bundle: it has no {MANIFEST}") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    # A list: the stored value may be anything, also what a dict cannot look up.
    if not isinstance(content, dict) or content.get("format") not in list(_FILES_OF_FORMAT):
        formats = " or ".join(map(str, _FILES_OF_FORMAT))
        raise BundleError(f"{path} is not of bundle format {formats}: train the model again")
    checksum = content.pop("checksum", None)
    if checksum != hashlib.sha256(_canonical(content)).hexdigest():
        raise BundleError(f"{path} is damaged: its content does not match its checksum")
    content = {**{name: {} for name in _LATER}, **content}
    if difference := set(content) ^ set(Manifest._fields):
        names = ", ".join(sorted(difference))
        raise BundleError(f"{path} has missing or unexpected fields: {names}")
    return Manifest(**content)


class Verified(NamedTuple):
    """A bundle of which every byte has been checked; ``contents`` is by file name."""

    folder: Path
    manifest: Manifest
    contents: dict[str, bytes]


def read_verified(folder: Path, expected_digest: str = "") -> Verified:
    """Read the whole bundle and check it; the bytes returned are the bytes that were checked.

    Raises BundleError, naming the file, if anything is absent, damaged or of another model.
    """
    manifest = read_manifest(folder)
    contents: dict[str, bytes] = {}
    for name in _FILES_OF_FORMAT[manifest.format]:
        path = folder / name
        try:
            contents[name] = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror or error}") from error
        if hashlib.sha256(contents[name]).hexdigest() != manifest.files.get(name):
            raise BundleError(f"{path} is damaged: its sha256 is not the one in {MANIFEST}")
    if sealed(manifest).digest != manifest.digest:
        raise BundleError(f"{folder / MANIFEST} is damaged: its digest does not match its content")
    if expected_digest and expected_digest != manifest.digest:
        raise BundleError(
            f"{folder} holds another model: its digest is {manifest.digest[:12]}…, "
            f"the requested one {expected_digest[:12]}…"
        )
    return Verified(folder, manifest, contents)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
