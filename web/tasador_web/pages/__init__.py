"""One module a page: its state, its parts, and PAGE, by which the app knows it."""
