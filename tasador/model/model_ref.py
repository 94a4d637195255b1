"""Which model: the reference that decisions, rollouts, events, revisions and answers share.

Each form has its own names for the same values. They are all here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Each form: field of ModelRef -> key. A form leaves out what it does not carry.
Form = Mapping[str, str]

# Columns of ops.model_history (DecisionRecord).
DECISION: Form = {
    "name": "model_name",
    "version": "version",
    "digest": "digest",
    "uri": "model_uri",
    "promotion": "promotion",
    "correlation_id": "correlation_id",
}
# The same before the database has given the decision its number.
CANDIDATE: Form = {field: key for field, key in DECISION.items() if field != "promotion"}
# The data of a model.promoted event.
PROMOTED: Form = {field: key for field, key in DECISION.items() if field != "correlation_id"}
# The data of a model.rejected or model.waiting event: nobody is to fetch that bundle.
REJECTED: Form = {field: key for field, key in PROMOTED.items() if field != "uri"}
# Columns of ops.rollout_history (RolloutRecord), and the data of a rollout's events.
ROLLOUT: Form = {field: key for field, key in DECISION.items() if field != "uri"}
ROLLED_OUT: Form = {field: field for field in ("version", "digest", "promotion")}
# Columns of raw.inference_logs (PredictionRecord).
PREDICTION: Form = {
    "name": "model_name",
    "version": "model_version",
    "digest": "model_digest",
    "correlation_id": "correlation_id",
}
# "model" in an answer of predict and explain.
ANSWER: Form = {field: field for field in ("name", "version", "digest")}
# The environment of a revision's processes. All values are text.
ENVIRONMENT: Form = {
    "name": "MODEL_NAME",
    "version": "MODEL_VERSION",
    "digest": "MODEL_DIGEST",
    "uri": "MODEL_URI",
    "promotion": "MODEL_PROMOTION",
    "correlation_id": "MODEL_CORRELATION_ID",
}
# Extension attributes of a CloudEvent. All values are text.
EXTENSIONS: Form = {
    "version": "modelversion",
    "digest": "modeldigest",
    "correlation_id": "correlationid",
}

_NUMBERS = ("version", "promotion")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """One version of a model, and the decision that promoted it.

    ``digest`` is the SHA-256 of the bundle, ``uri`` its folder. ``promotion`` numbers the decision:
    of two, the one with the larger number counts. ``correlation_id`` runs from the batch to the
    prediction. A value that a form does not carry is empty or 0.
    """

    name: str = ""
    version: int = 0
    digest: str = ""
    uri: str = ""
    promotion: int = 0
    correlation_id: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def key(self) -> tuple[str, int, str]:
        """Name, version and digest: what identifies a version.

        A number alone does not: each name counts from 1, and so does a model that was deleted from
        the registry and begun again.
        """
        return self.name, self.version, self.digest

    @property
    def subject(self) -> str:
        """The subject of an event about this version."""
        return f"{self.name}/{self.version}"

    def write(self, form: Form) -> dict[str, Any]:
        """The values by the keys of ``form``."""
        return {key: getattr(self, field) for field, key in form.items()}

    def write_text(self, form: Form) -> dict[str, str]:
        """As ``write``, all values as text; an unknown number is an empty text."""
        return {key: str(value or "") for key, value in self.write(form).items()}

    @classmethod
    def read(cls, form: Form, values: Mapping[str, Any]) -> ModelRef:
        """Read the keys of ``form``; a key that is absent or None gives an empty value."""
        read = {field: values.get(key) for field, key in form.items()}
        return cls(**{field: value for field, value in read.items() if value is not None})

    @classmethod
    def read_text(cls, form: Form, texts: Mapping[str, str]) -> ModelRef:
        """As ``read``, of texts; a number that is none counts as unknown."""
        values: dict[str, Any] = {key: texts.get(key, "") for key in form.values()}
        for field in _NUMBERS:
            if (key := form.get(field)) is not None:
                values[key] = int(values[key]) if values[key].isdecimal() else 0
        return cls.read(form, values)

    @classmethod
    def of_record(cls, form: Form, record: object) -> ModelRef:
        """Read the attributes of a record that are named as the keys of ``form``."""
        return cls.read(form, {key: getattr(record, key) for key in form.values()})
