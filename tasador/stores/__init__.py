"""The object store and the model registry.

``lake`` is S3 by boto3 (``s3_session`` reads its description), ``bundles`` downloads and verifies a
model bundle for serving (no boto3), ``registry`` is MLflow, by its REST API (``mlflow_rest``).
``signing`` signs a bundle; ``tasador.model.signature`` verifies it.

May import the settings, the errors, the clock and ``tasador.model``. Functions load ``bundles`` at
start, so it may import nothing slow: of the model, only ``manifest``.
"""
