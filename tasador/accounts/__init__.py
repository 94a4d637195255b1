"""People who sign in to the web app: passwords, sessions, rights, and the record of what they do.

``passwords`` and ``delays`` are pure; ``verbs`` uses the warehouse.
"""
