"""The edge client: local data in, signed adapter deltas out."""
