"""The aggregation server: orders out, verified updates in, one better adapter a cycle."""
