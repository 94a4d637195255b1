"""Monitoring: are the requests drifting, is the champion still good, and should it be retrained?

``flows/monitor.py`` calls ``verbs`` and shows ``card``; ``policy`` decides when to request
training, and ``realised`` compares predictions with the prices that arrived afterwards.

May import ``drift``, ``listings``, ``stores``, ``warehouse`` and ``events``.
"""
