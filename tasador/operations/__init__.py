"""What an operator runs: the loop on one machine, provisioning, doctor, lineage, dead letters.

``pipeline`` follows the loop in process, ``provision`` creates databases and buckets, ``doctor``
checks the platform, ``lineage`` traces a prediction, ``dead_letters`` lists and replays events.

May import the events, the warehouse, the stores and the settings; no flow and no function.
"""
