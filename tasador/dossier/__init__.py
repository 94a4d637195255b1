"""The release dossier: what someone who must answer for a model version wants to have in hand.

A folder beside the version's bundle: README.md (the model card, with plots), data-contract.json,
drift-baseline.json, gate.json, metrics.json, leave-out.json, an SBOM of the serving and of the
training image, licences.md, and dossier.json, which lists the files and comes last. It is written
for rejected versions too.
"""

from tasador.dossier.verbs import fetch, write

__all__ = ["fetch", "write"]
