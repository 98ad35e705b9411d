"""Examples that nobody typed: from templates, from a model, from knowledge triples."""
