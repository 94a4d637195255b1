"""The local gateway: what Knative Serving and Eventing do on a cluster, for one machine.

It starts function processes on demand and scales them to zero, splits traffic over revisions, and
delivers CloudEvents with retries and a dead-letter file. ``python -m tasador.local.gateway --home
HOME --port PORT`` runs it; ``daemon`` describes that process to the platform.

May import ``tasador.events``, ``tasador.local.process``, ``ports`` and ``probe``, the settings, the
clock and the errors.
"""
