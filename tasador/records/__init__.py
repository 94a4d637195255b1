"""What the loop and the functions write down, as dataclasses: the rows of the warehouse.

``loop`` holds batches, verdicts, decisions, rollouts and dead letters. ``prediction`` is what a
function sends of a priced listing, ``review`` a reviewer's verdict, ``shadow`` what a version would
have answered, ``account`` who signs in.

Imports ``model``'s reference to a version, and ``clock``.
"""
