"""Raw logs become dialogues: sources, sessions, intents, outcomes and the standard form."""
