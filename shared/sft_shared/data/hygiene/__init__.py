"""Datasets of any common format in; filtered, deduplicated, profiled examples out."""
