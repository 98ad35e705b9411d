"""A comparison for people: one page, pictures, and the numbers as JSON."""
