"""What a listing is and how it is read: one by one, by column, and from CSV files.

``rules`` is the table of rules that every reader follows, ``value_reader`` reads a value by them.
``listing`` reads one listing, ``by_column`` a table (``plain_cells`` and ``plain_texts`` find the
columns that need no reading), ``csv_file`` the rows of a CSV (``csv_bytes`` unpacks it,
``lines_ahead`` and ``plain_csv`` read many plain lines at once, as ``cells``). ``arrays`` and
``text_column`` are the forms that numeric code works on, ``arrow`` makes Arrow arrays of them and
``table`` pandas frames, ``states`` has the names of the states.

May import errors and arrays; nothing of the model or the loop.
"""
