"""Measurements: each module is a script, run with `make bench-...`. Nothing in the product imports this."""
