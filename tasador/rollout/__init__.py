"""Bring a promoted model into service, and roll back to an earlier one.

``plan`` decides what a service needs (pure), ``backend`` is the protocol that ``local`` (the local
gateway) and ``knative`` implement, ``smoke`` and ``canary`` test a candidate, ``verbs`` runs the
rollout, ``rollback`` decides and announces a rollback.

May import the events, the records, the warehouse, the bundle store and the model's manifest; never
a flow or a function.
"""
