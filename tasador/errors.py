"""The exceptions of Tasador. Each message says what is wrong and what to do."""

from __future__ import annotations


class TasadorError(Exception):
    """The base of all errors that Tasador raises on purpose."""


class ConfigurationError(TasadorError):
    """A setting is missing or invalid; the message names the variable."""


class SourceError(TasadorError):
    """The batch source gave an undocumented answer."""


class SourceExhausted(TasadorError):
    """The batch source has no more batches: a normal end, not a failure."""


class BundleError(TasadorError):
    """A model bundle is damaged, incomplete or not the expected one."""


class SignatureError(BundleError):
    """A model bundle is not signed by a trusted key, or was changed since."""


class ObjectLost(TasadorError):
    """An object that the object store should hold is missing or damaged. Retrying does not help."""


class ServiceUnavailable(TasadorError):
    """A service (broker, gateway, Kubernetes API, source, ...) did not answer.

    Trying again may help.
    """


class StoreUnavailable(ServiceUnavailable):
    """A store (object store, database, registry) did not answer. Trying again may help."""


class StoreRefused(StoreUnavailable):
    """A store refused the credentials. Trying again may help, because credentials are rotated."""


class DiskFull(StoreUnavailable):
    """A disk has no room: the message says which. Trying again helps once there is some."""


class InvalidValue(TasadorError):
    """The database refuses a value. Trying again does not help."""


class RegistryError(TasadorError):
    """The model registry has no such model or version."""


class RolloutError(TasadorError):
    """A revision could not be brought into service; the old one keeps serving."""


class TrainingError(TasadorError):
    """There is not enough usable data for training, or a training input is invalid."""
