"""What a valuation professional reads: the one-page report of a recorded prediction.

``report`` writes the page, ``style`` is its style sheet, ``texts`` has its numbers and escaping.
Pure text; imports no package and, of Tasador, only records.
"""
