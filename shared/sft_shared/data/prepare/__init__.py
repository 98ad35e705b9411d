"""The run from raw logs to clean examples: in units that are finished once, by several processes."""
