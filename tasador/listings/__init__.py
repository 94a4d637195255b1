"""What a listing is and how it is read: one by one, by column, and from CSV files.

``listing`` defines the twelve columns and reads one listing, ``by_column`` reads a table,
``arrays`` and ``text_column`` are the forms that numeric code works on, ``table`` reads CSV files
and makes pandas frames.

May import errors and arrays; nothing of the model or the loop.
"""
