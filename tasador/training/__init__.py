"""Training: prepare rows, search parameters, fit, evaluate, judge against the champion, register.

``flows/train.py`` calls ``verbs`` and shows ``card``; ``from_csv`` trains and scores without any
service.

Imports ``gate``, ``drift``, ``model``, ``listings``, ``stores``, ``warehouse`` and ``events``.
"""
