"""Traces for an OpenTelemetry collector, without its SDK.

``spans`` begins, ends and sends spans; ``context`` computes a trace's id from a correlation id and
reads the header traceparent.

Imports nothing of ``tasador``.
"""
