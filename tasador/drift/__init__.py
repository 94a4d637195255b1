"""Drift: has the market moved away from the champion's data, and does that hurt the champion?

NannyML measures; effect sizes decide. ``flows/drift.py`` calls ``verbs`` and shows ``card``.

May import ``listings``, ``stores``, ``warehouse`` and ``events``.
"""
