"""How accepted updates become one change of the adapter."""
