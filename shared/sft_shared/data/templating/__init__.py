"""Values that are drawn, and the templates that say them."""
