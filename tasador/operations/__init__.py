"""What an operator runs: the loop on one machine, provisioning, doctor, lineage, dead letters.

``pipeline`` follows the loop in process, ``next_batch`` starts it in the background, ``provision``
creates databases and buckets, ``doctor`` checks the platform, ``lineage`` traces a prediction,
``dead_letters`` lists and replays events, ``reviews`` draws a sample of predictions, ``signing``
signs earlier versions, ``ratio_study`` (with ``census``) compares a model with the prices of a CSV,
``connect`` uses a cluster from this machine, ``exporter`` serves metrics, ``backup`` copies the
platform and restores it, ``lake_table`` lists the clean files in an Iceberg table. ``steps`` has
the settings of a flow's step.

May import the events, the warehouse, the stores and the settings; no flow and no function.
"""
