"""The ratio study: how the estimates of a model compare with prices, by the standards of assessors.

``figures`` has each figure with its source, ``resampling`` its confidence interval, ``noise`` what
noise alone would give, ``limits`` what the standards allow, ``groups`` the parts of a table,
``study`` all of it together, ``words`` the study as text, ``page`` and ``curves`` as one HTML file.
``confidence`` measures how much a price can be trusted, ``fairness`` compares zip codes by their
make-up.

May import ``arrays``, ``listings`` and ``model``; numpy alone.
"""
