"""Train on a CSV of listings, then price and explain a listing; no service is needed.

    python examples/own_csv.py listings.csv [bundle]

The bundle is a folder (by default `bundle`), which `tasador serve` can serve.
"""

import sys
from pathlib import Path

import tasador


def main(csv: Path, folder: Path) -> None:
    manifest = tasador.train_to_folder(csv, folder, trials=2)
    print("bundle", folder, manifest.digest)

    bundle = tasador.Bundle.load(folder)
    listing, problems = tasador.read_listing(
        {"state": "Texas", "zip_code": "77084", "bed": "3", "bath": 2, "house_size": 1800}
    )
    assert not problems
    explanation = tasador.explain(bundle, listing)
    print(explanation.sentence)
    for part in explanation.columns:
        print(f"{part.feature:12} {part.value:28} {part.dollars:+12,.0f} dollars")

    prices = folder.with_suffix(".prices.csv")
    summary = tasador.score_csv(folder, csv, prices)
    print(f"{summary.rows} prices with intervals in {prices}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "bundle"))
