"""Tool-calling dialogues and structured answers: made from declared scenarios, and checked by JSON Schema."""
