"""New examples from old ones: other values, another voice, the noise of typing."""
