"""The promotion gate: measurements in, a decision with reasons out. Pure code.

Every check is computed and stored, whether or not it passed. Two models are compared on the same
rows by a bootstrap over properties, so a difference counts only if it exceeds the sampling noise.

``ratio_checks`` adds the standards of assessors, with the figures of ``ratio_study``.

May import ``arrays`` and ``ratio_study``, and nothing else of the project.
"""
