"""Name images by digest in every environment: python cluster/digests.py REGISTRY/ FOLDER

FOLDER holds a file for each image, ``NAME`` with the content ``sha256:...``, as the workflow
`images` collects them. It rewrites cluster/components/images, the one place that names images. A
commit of that is a new version for Argo CD.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMPONENT = Path("cluster/components/images/kustomization.yaml")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ENTRY = re.compile(r"^  - \{name: tasador-([a-z]+), .*\}$", re.MULTILINE)


def pinned(component: str, registry: str, digests: dict[str, str]) -> str:
    """The component with the digest of every image; ValueError names what is missing or wrong."""
    named = set(_ENTRY.findall(component))
    if missing := named - digests.keys():
        raise ValueError(f"there is no digest of {', '.join(sorted(missing))}")
    if unknown := digests.keys() - named:
        raise ValueError(f"{COMPONENT} names no image {', '.join(sorted(unknown))}")
    for name, digest in digests.items():
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"the digest of {name} is {digest[:80]!r}")

    def entry(match: re.Match[str]) -> str:
        name = f"tasador-{match[1]}"
        return f"  - {{name: {name}, newName: {registry}{name}, digest: {digests[match[1]]}}}"

    return _ENTRY.sub(entry, component)


def main() -> None:
    """Rewrite the component with the digests in the folder."""
    registry, folder = sys.argv[1], Path(sys.argv[2])
    digests = {path.name: path.read_text().strip() for path in folder.iterdir()}
    path = ROOT / COMPONENT
    path.write_text(pinned(path.read_text(), registry, digests))
    print(f"{COMPONENT} names {len(digests)} images by digest")


if __name__ == "__main__":
    main()
