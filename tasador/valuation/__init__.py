"""What a valuation professional reads: the one-page report of a recorded prediction.

Pure text; imports no package and, of Tasador, only records.
"""
