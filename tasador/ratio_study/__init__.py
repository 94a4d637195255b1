"""The ratio study: how the estimates of a model compare with prices, by the standards of assessors.

``figures`` has each figure with its source, ``resampling`` its confidence interval, ``noise`` what
noise alone would give, ``limits`` what the standards allow, ``groups`` the parts of a table,
``study`` all of it together, ``page`` and ``curves`` the study as one HTML file.

May import ``arrays``, ``errors`` and ``listings``; numpy alone.
"""
