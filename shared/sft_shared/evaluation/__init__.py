"""Measuring an adapter on held-out dialogues."""
