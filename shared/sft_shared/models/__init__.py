"""Base models, LoRA adapters and text generation."""
