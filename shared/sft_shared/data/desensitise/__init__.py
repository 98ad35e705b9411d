"""Personal data: found, replaced, and a gate that lets none of it into training."""
