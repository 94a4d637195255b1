"""Bring a promoted model into service, and roll back to an earlier one.

``plan`` decides what a service needs (pure). ``backend`` is the protocol that ``local`` (the local
gateway) and ``knative`` (through ``kube``, the Kubernetes API) implement. ``verbs`` runs a rollout
in all services, ``service_rollout`` in one; ``smoke`` and ``canary`` test its candidate. ``choice``
decides which promotion is tried next (pure). ``rollback`` decides and announces a rollback,
``approval`` a person's decision about a version that waits; ``pause`` stops rollouts for a while,
``shadow`` mirrors requests to a version without traffic, and ``status`` says what serves and why.

May import the events, the records, the warehouse, the stores and the model's files; never a flow or
a function.
"""
