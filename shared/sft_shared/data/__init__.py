"""Dialogues to token rows: chat templates, label masks, padding-free batches, public data sets."""
