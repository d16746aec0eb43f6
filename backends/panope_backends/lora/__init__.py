"""LoRA adapters as PEFT saves them: what their files say, and whether that fits a base model. No tensor is read here.

config    adapter_config.json: each of its fields honoured, without effect here, or refused by name
tensors   the names and shapes of adapter_model.safetensors, and the base's that they must fit
"""

from panope_backends.lora.config import CONFIG, FOLDER, GGUF_WEIGHTS, WEIGHTS, AdapterConfig, read_config
from panope_backends.lora.tensors import AdaptedModule, AdapterTensors, Shapes, check_base, read_tensors

__all__ = [
    "CONFIG",
    "FOLDER",
    "GGUF_WEIGHTS",
    "WEIGHTS",
    "AdaptedModule",
    "AdapterConfig",
    "AdapterTensors",
    "Shapes",
    "check_base",
    "read_config",
    "read_tensors",
]
