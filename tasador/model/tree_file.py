"""The trees of a bundle's two models as trees.npz."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tasador.arrays import Array
from tasador.engine.trees import Trees
from tasador.errors import BundleError
from tasador.model.array_file import from_npz, to_npz

_MODELS = ("price", "spread")


def write_trees(price: Trees, spread: Trees) -> bytes:
    """The content of trees.npz; the same trees always give the same bytes."""
    return to_npz(
        {
            f"{model}.{name}": values
            for model, trees in zip(_MODELS, (price, spread), strict=True)
            for name, values in trees.to_arrays().items()
        }
    )


def read_trees(content: bytes, path: Path) -> tuple[Trees, Trees]:
    """The trees of the price model and of the spread model; BundleError names ``path``."""
    try:
        arrays = from_npz(content)
        price, spread = (Trees.from_arrays(_of_model(arrays, model)) for model in _MODELS)
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path} cannot be read: {error!r}") from error
    return price, spread


def _of_model(arrays: Mapping[str, Array], model: str) -> dict[str, Array]:
    prefix = f"{model}."
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
