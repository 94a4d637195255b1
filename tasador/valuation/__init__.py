"""What people read of a price: the one-page report of a recorded prediction, and its words.

``report`` and ``evidence`` write the page, ``style`` is its style sheet, ``texts`` its HTML. The
web app shares the rest: ``languages`` and ``spanish`` (the texts), ``words`` (amounts, times,
fields) and ``cautions`` (warnings). Pure text; imports no package and, of Tasador, only records and
the rules of listings.
"""
