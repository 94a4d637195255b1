"""The manifest of a model bundle: what is in the folder, and proof that it is unharmed.

The digest names the model: it covers every file and what the manifest says about how the model
answers, but not its name, version, measures or dates, so that registering a model under a version
leaves its digest as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from tasador.errors import BundleError

FORMAT = 4
MANIFEST = "manifest.json"
ENCODERS = "encoders.json"
TABLES = "tables.npz"
MODEL = "model.ubj"
SPREAD = "spread.ubj"
GOLDEN = "golden.json"
FILES = (ENCODERS, TABLES, MODEL, SPREAD, GOLDEN)

# What may change without the model becoming another one.
_LABELS = ("name", "version", "digest", "metrics", "git_sha", "created")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle says about itself.

    ``version`` is 0 until it is registered. ``intervals`` maps a level ("80") and a group of
    ``tasador.model.intervals`` to how far it reaches below and above the price, in sizes of the
    error
    that ``spread.ubj`` predicts. ``data`` tells rows, properties, batch_ids and fingerprint of the
    training data; ``ranges`` the training range of each number; ``categories`` the known states;
    ``files`` the sha256 of each file; ``created`` is ISO 8601 UTC.
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
    format: int = FORMAT


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with the digest that its content has."""
    told = {name: value for name, value in asdict(manifest).items() if name not in _LABELS}
    return replace(manifest, digest=hashlib.sha256(_canonical(told)).hexdigest())


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json, all or nothing, with a checksum of its own."""
    told = asdict(manifest)
    told["checksum"] = hashlib.sha256(_canonical(told)).hexdigest()
    replace_file(folder / MANIFEST, json.dumps(told, indent=1, allow_nan=False).encode() + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read manifest.json; raises BundleError when it is absent, damaged or of another format."""
    path = folder / MANIFEST
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BundleError(f"{folder} is not a model bundle: it has no {MANIFEST}") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise BundleError(f"{path} is not of bundle format {FORMAT}: train the model again")
    checksum = told.pop("checksum", None)
    if checksum != hashlib.sha256(_canonical(told)).hexdigest():
        raise BundleError(f"{path} is damaged: its content is not what its checksum says")
    names = {field.name for field in fields(Manifest)}
    if set(told) != names:
        raise BundleError(f"{path} lacks or adds {', '.join(sorted(set(told) ^ names))}")
    return Manifest(**told)


class Verified(NamedTuple):
    """A bundle whose every byte has been checked: ``contents`` by the name of the file."""

    folder: Path
    manifest: Manifest
    contents: dict[str, bytes]


def read_verified(folder: Path, expected_digest: str = "") -> Verified:
    """Read the whole bundle and check it: the bytes returned are the bytes that were checked.

    Raises BundleError, naming the file, when anything is absent, damaged or of another model.
    """
    manifest = read_manifest(folder)
    contents: dict[str, bytes] = {}
    for name in FILES:
        path = folder / name
        try:
            contents[name] = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror or error}") from error
        if hashlib.sha256(contents[name]).hexdigest() != manifest.files.get(name):
            raise BundleError(f"{path} is damaged: its sha256 is not the one in {MANIFEST}")
    if sealed(manifest).digest != manifest.digest:
        raise BundleError(f"{folder / MANIFEST} is damaged: its digest is not that of its content")
    if expected_digest and expected_digest != manifest.digest:
        raise BundleError(
            f"{folder} holds another model: digest {manifest.digest[:12]}…, "
            f"but {expected_digest[:12]}… was asked for"
        )
    return Verified(folder, manifest, contents)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that at any moment either the old or the new content is there."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
