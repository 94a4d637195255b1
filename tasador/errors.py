"""The named exceptions of Tasador. Each message says what is wrong and what to do."""

from __future__ import annotations


class TasadorError(Exception):
    """The root of every error that Tasador raises on purpose."""


class ConfigurationError(TasadorError):
    """A setting is missing or refused; the message names the variable."""


class SourceError(TasadorError):
    """The batch source gave an answer that is none of its documented ones."""


class SourceExhausted(TasadorError):
    """The batch source has handed out all of its batches: a normal end, not a failure."""


class BundleError(TasadorError):
    """A model bundle is damaged, incomplete or not the one asked for."""


class ServiceUnavailable(TasadorError):
    """A service (broker, gateway, Kubernetes API, source, ...) did not answer.

    Trying again may help.
    """


class StoreUnavailable(ServiceUnavailable):
    """A store (object store, database, registry) did not answer. Trying again may help."""


class RegistryError(TasadorError):
    """The model registry holds no such model or version."""


class RolloutError(TasadorError):
    """A revision could not be put into service; the old one goes on serving."""


class TrainingError(TasadorError):
    """There is not enough usable data to train on, or a training input is refused."""
