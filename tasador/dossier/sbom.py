"""CycloneDX SBOMs and licences of the packages that train and serve a model.

The packages of an image are its requirements and theirs, read from the metadata of the packages
installed where the model was trained. All images use one lock file, so their versions agree.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from tasador.dossier.blocks import Rows

if TYPE_CHECKING:
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression

# The direct requirements of each part, as in pyproject.toml (tests/code/test_dossier.py compares
# them): an image contains the packages, but neither that file nor tasador's own metadata.
_BASE = (
    "cloudevents",
    "flask",
    "httpx",
    "numpy",
    "orjson",
    "parliament-functions",
    "prometheus-client",
    "waitress",
    "werkzeug",
    "xgboost-cpu",
)
_STORE = ("psycopg2-binary", "sqlalchemy")
_PLATFORM = (
    "alembic",
    "boto3",
    "cryptography",
    "markdown-it-py",
    "mlflow",
    "msgspec",
    "pandas",
    "pyarrow",
    "pydantic",
    "pyiceberg",
    "rich",
    "typer",
)
_FLOWS = (
    "cyclonedx-python-lib",
    "kubernetes",
    "metaflow",
    "nannyml",
    "optuna",
    "packaging",
    "plotly",
)


@dataclass(frozen=True, slots=True)
class Image:
    """A kind of image: its purpose, its direct requirements, and packages left out of it."""

    purpose: str
    requirements: tuple[str, ...]
    without: frozenset[str] = frozenset()


IMAGES = {
    "serving": Image("predict and explain", _BASE, frozenset({"scipy"})),
    "recording": Image("record and reload", _BASE + _STORE, frozenset({"scipy", "xgboost-cpu"})),
    "training": Image("the flows", _BASE + _STORE + _PLATFORM + _FLOWS),
}

# A License field longer than this is the text of a licence, not its name.
_LONGEST_NAME = 80
_IS_LICENCE = re.compile(r"(?i)(licen[cs]e|copying)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An installed distribution: its display name, and the names of its requirements."""

    name: str
    version: str
    licence: str
    requires: tuple[str, ...]


@cache
def packages(image: Image) -> dict[str, Package]:
    """All packages of the image by normalized name.

    A requirement that is not installed (overridden, or for another system) is left out.
    """
    reached: dict[str, Package] = {}
    waiting: list[tuple[str, frozenset[str]]] = [(name, frozenset()) for name in image.requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = requirement = waiting.pop()
        if requirement in seen or name in image.without:
            continue
        seen.add(requirement)
        installed = _installed(name, extras)
        if installed is None:
            continue
        package, required = installed
        if name in reached:
            names = {*reached[name].requires, *package.requires}
            package = replace(package, requires=tuple(sorted(names)))
        reached[name] = package
        waiting += required
    return reached


# The images have most packages in common, and a distribution parses its metadata at every look.
@cache
def _installed(
    name: str, extras: frozenset[str]
) -> tuple[Package, list[tuple[str, frozenset[str]]]] | None:
    """An installed distribution with extras, and what it requires; None where it is missing."""
    from packaging.utils import canonicalize_name

    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    required = [(str(canonicalize_name(r)), more) for r, more in _required(distribution, extras)]
    package = Package(
        name=distribution.metadata["Name"],
        version=distribution.version,
        licence=licence_of(distribution),
        requires=tuple(sorted({needed for needed, _ in required})),
    )
    return package, required


def licence_of(distribution: importlib.metadata.Distribution) -> str:
    """The licence as stated by the package: expression, name, classifier or file."""
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        return str(metadata["License-Expression"])
    stated = str(metadata["License"]).strip() if "License" in metadata else ""
    if stated and stated.lower() != "unknown" and len(stated) <= _LONGEST_NAME:
        return " ".join(stated.split())
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License ::") and line != "License :: OSI Approved"
    ]
    if classifiers:
        return " AND ".join(classifiers)
    files = [file.name for file in distribution.files or [] if _IS_LICENCE.match(file.name)]
    return f"see its {files[0]}" if files else "not stated"


def sbom(image: str, model: str, digest: str, at: datetime) -> dict[str, Any]:
    """The CycloneDX document of one image of IMAGES, for one model version.

    Its serial number is derived from the image and the digest, and its time is ``at``, so the same
    input gives the same document.
    """
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    by_name = packages(IMAGES[image])
    components = {
        name: Component(
            name=package.name,
            version=package.version,
            type=ComponentType.LIBRARY,
            bom_ref=f"{name}=={package.version}",
            licenses=[_licence(package.licence)],
            purl=PackageURL("pypi", name=name, version=package.version),
        )
        for name, package in by_name.items()
    }
    whole = Component(
        name=f"tasador {image}",
        type=ComponentType.CONTAINER,
        bom_ref=f"tasador-{image}",
        description=IMAGES[image].purpose,
    )
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"tasador:{image}:{digest}"),
        metadata=BomMetaData(
            component=whole,
            timestamp=at,
            properties=[Property(name="tasador:model", value=model)],
        ),
        components=components.values(),
    )
    direct = [components[name] for name in IMAGES[image].requirements if name in components]
    bom.register_dependency(whole, direct)
    for name, package in by_name.items():
        needs = [components[other] for other in package.requires if other in components]
        bom.register_dependency(components[name], needs)
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    return document


def licence_rows() -> Rows:
    """Every package of any image: version, licence and the images that contain it."""
    by_image = {name: packages(image) for name, image in IMAGES.items()}
    names = sorted({name for contents in by_image.values() for name in contents})
    rows = []
    for name in names:
        holding = [image for image, contents in by_image.items() if name in contents]
        package = by_image[holding[0]][name]
        rows.append([package.name, package.version, package.licence, ", ".join(holding)])
    return Rows(["package", "version", "licence", "images"], rows)


def _required(
    distribution: importlib.metadata.Distribution, extras: frozenset[str]
) -> list[tuple[str, frozenset[str]]]:
    """The requirements that apply to this environment: (name, requested extras)."""
    from packaging.requirements import Requirement

    required = []
    for line in distribution.requires or []:
        requirement = Requirement(line)
        environments = [{"extra": extra} for extra in ("", *extras)]
        marker = requirement.marker
        if marker is None or any(marker.evaluate(environment) for environment in environments):
            required.append((requirement.name, frozenset(requirement.extras)))
    return required


def _licence(stated: str) -> DisjunctiveLicense | LicenseExpression:
    from cyclonedx.contrib.license.factories import LicenseFactory

    return LicenseFactory().make_from_string(stated)
