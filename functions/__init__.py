"""The functions: predict, explain, reload and record, and the one host that runs each of them."""
