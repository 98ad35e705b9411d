"""A real Llama of 100 thousand random weights, made in a second, for tests and dry runs."""

from __future__ import annotations

from pathlib import Path

import torch

from sft_shared.models.quiet import quiet_transformers

TEXT = (
    "Call one of the functions below to answer the user. Reply only with a JSON list.",
    '[{"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius", "days": 3}}]',
    "get_weather(city: str, days: int = 1) - Return the weather of a city for the next days.",
    "convert_currency(amount: float, source: str, target: str) - Convert an amount of money.",
    '[{"name": "convert_currency", "arguments": {"amount": 12.5, "source": "USD", "target": "EUR"}}]',
    "What is the weather like in London tomorrow? Please answer in one sentence.",
    "You are a helpful assistant. 0 1 2 3 4 5 6 7 8 9 10 20 30 100 2024 true false null",
)

MARKERS = {
    "unk_token": "<|endoftext|>",
    "bos_token": "<|im_start|>",
    "eos_token": "<|im_end|>",
    "pad_token": "<|im_end|>",
}

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make_tiny_model(folder: Path, *, seed: int = 0) -> Path:
    """Write a Llama (2 layers, width 64, 4 heads, 2 key-value heads) and its tokenizer; return ``folder``.

    The tokenizer is a byte-level BPE trained on the text above, with SmolLM2's markers and chat
    template. The same ``seed`` gives the same weights.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=list(dict.fromkeys(MARKERS.values())),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXT, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, **MARKERS)
    tokenizer.chat_template = CHAT_TEMPLATE
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    with quiet_transformers():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder
