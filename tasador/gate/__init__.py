"""The promotion gate: measurements in, a decision with reasons out. Pure code.

Every check is computed and stored, whether or not it passed. Two models are compared on the same
rows by a bootstrap over properties, so a difference counts only if it exceeds the sampling noise.

``checks`` has the checks and the decision (``judge``), ``decision`` their limits (``Policy``).
``measures`` has a model's predictions and errors, ``compare`` the comparison of two models, on all
rows and on ``slices``. ``ratio_checks`` adds the standards of assessors, with the figures of
``ratio_study``, and ``churn`` how far recorded values would move.

May import ``arrays`` and ``ratio_study``, and nothing else of the project.
"""
