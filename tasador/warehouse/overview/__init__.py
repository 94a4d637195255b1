"""What the warehouse says about the loop, as families of numbers for Prometheus.

The tables are the truth that survives scale to zero and restarts: what serves, what waits, what was
decided. ``family`` describes a metric, ``promotions``, ``stages`` and ``figures`` hold the queries,
``overview`` runs them.
"""
