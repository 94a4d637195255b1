"""The release dossier: the documents of one model version, for the people responsible for it.

A folder next to the version's bundle: README.md and model-card.html (the model card with its
plots), data-contract.json, drift-baseline.json, gate.json, metrics.json, leave-out.json, SBOMs of
the serving, recording and training images, licences.md, and dossier.json, which lists the files and
is written last. Rejected versions get one too.

May import ``training``, ``drift``, ``gate``, ``model``, ``listings``, ``stores`` and ``warehouse``.
"""
