"""Training: prepare rows, search parameters, fit, evaluate, judge against the champion, register.

``flows/train.py`` calls ``verbs`` and shows ``card``; ``from_csv`` trains without any service.

May import ``drift``, ``gate``, ``model``, ``engine``, ``listings``, ``stores``, ``warehouse`` and
``events``. Only ``verbs`` and ``inputs`` import the stores and the warehouse.
"""
