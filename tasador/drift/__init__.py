"""Drift: has the market moved away from the champion's data, and does that hurt the champion?

NannyML measures; effect sizes decide. ``flows/drift.py`` calls ``verbs`` and shows ``card``.
``judge`` gives the verdict. ``feed``, ``garbled`` and ``units`` find a broken feed, ``checks`` what
moved, ``performance`` what hurts, by the limits in ``thresholds``. ``reference`` samples the
champion's data, and ``baseline`` learns from it how far batches of one market deviate.

May import ``listings``, ``stores``, ``warehouse`` and ``events``.
"""
