"""A small seeded decoder that chats: a Llama, a tokenizer trained on a few words, a template with tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

NAME = "acme/chat"
"""The model's name in a registry."""

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
POSITIONS = 8192
WIDTH, LAYERS = 64, 2

_MOST_TOKENS = 512

_TEXTS = (
    "The capital of France is Paris. What is the weather in Rome, in Oslo and in Lima today? It is sunny and warm.",
    "user assistant system tool name arguments city unit celsius true false null 0 1 2 3 4 5 6 7 8 9 10 20 100 -1.5",
    '{"name": "get_weather", "arguments": {"city": "Rome"}} <tool_call> </tool_call> [1, 2] {"answer": 42}',
    "Straße naïve 東京 über 😀 def add(a, b):\n    return a + b\n",
)

TEMPLATE = """\
{%- if tools %}{{ '<|im_start|>system\\n' }}
{%- if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{% endif %}
{{- 'You may call these functions: <tools>' }}
{%- for tool in tools %}{{ '\\n' + (tool | tojson) }}{% endfor %}
{{- '\\n</tools>\\nAnswer with <tool_call>\\n{"name": ..., "arguments": ...}\\n</tool_call><|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}{{ '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
{%- if message.role == 'user' or message.role == 'assistant' %}
{{- '<|im_start|>' + message.role + '\\n' + message.content }}
{%- for call in message.tool_calls or [] %}
{{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) }}
{{- '}\\n</tool_call>' }}
{%- endfor %}{{ '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""


def write_seeded_chat(folder: Path) -> None:
    """Writes the model as safetensors; PyTorch, which would do the same, takes seconds to import."""
    tokenizer = trained()
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": POSITIONS,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
        "dtype": "float32",
    }
    save_file(_weights(config["vocab_size"]), folder / "model.safetensors", {"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    files = {
        "config.json": config,
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": SPECIAL[0],
            "eos_token": SPECIAL[2],
            "pad_token": SPECIAL[0],
            "chat_template": TEMPLATE,
        },
        "generation_config.json": {"eos_token_id": [0, 2], "do_sample": False},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))


def _weights(vocabulary: int) -> dict[str, np.ndarray[Any, Any]]:
    """Those of a Llama, sharper than fresh ones, which attend to all tokens about alike."""
    random = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens": (vocabulary, WIDTH), "lm_head": (vocabulary, WIDTH)}
    shapes["model.norm"] = (WIDTH,)
    for layer in (f"model.layers.{number}" for number in range(LAYERS)):
        shapes |= {f"{layer}.{norm}": (WIDTH,) for norm in ("input_layernorm", "post_attention_layernorm")}
        shapes |= {f"{layer}.self_attn.{name}_proj": (WIDTH, WIDTH) for name in "qo"}
        shapes |= {f"{layer}.self_attn.{name}_proj": (WIDTH // 2, WIDTH) for name in "kv"}
        shapes |= {f"{layer}.mlp.{name}_proj": (2 * WIDTH, WIDTH) for name in ("gate", "up")}
        shapes[f"{layer}.mlp.down_proj"] = (WIDTH, 2 * WIDTH)
    return {
        f"{name}.weight": (np.ones(shape) if len(shape) == 1 else random.normal(0, 0.06, shape)).astype(np.float32)
        for name, shape in shapes.items()
    }


def trained() -> Tokenizer:
    """The tokenizer: pairs of bytes, the same each time."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=_MOST_TOKENS, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    return tokenizer
