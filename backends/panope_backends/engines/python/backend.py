"""The backend of models that are Python code."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

from panope_backends.api import API_VERSION, Backend, Device, Level, LoadedModel, LoadOptions, ModelFacts, Support
from panope_backends.errors import PreconditionError
from panope_backends.host.memory import memory_bytes
from panope_backends.host.processor_model import processor_name
from panope_backends.isolation.no_network import refusal
from panope_backends.python_models.layout import CONFIG_FILE, FORMAT

GRANT = "remote_code"

EMBED = "embed"
"""The task for which a skill is asked for vectors; for others it is asked for tensors of texts."""


class PythonBackend(Backend):
    """Runs a model's own code on the processor; what the code uses beside it is its own business."""

    name = "python"
    api_version = API_VERSION

    def devices(self) -> Sequence[Device]:
        """The processor; its precision is what the model's code takes."""
        return (
            Device(
                self.name,
                "CPU",
                processor_name(),
                memory_bytes(),
                ("fp32",),
                engine_version=platform.python_version(),
            ),
        )

    def supports(self, model: ModelFacts, device: Device) -> Support:
        """FULL for code that an admin lets run, where it can be kept from the network."""
        del device
        if model.format != FORMAT:
            return Support(Level.NONE, f"runs models that are Python code, not `{model.format}`")
        if reason := _refusal(model):
            return Support(Level.NONE, reason)
        return Support(Level.FULL, "runs the model's own code")

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        """Imports the model's file and lets it begin.

        Raises:
            PreconditionError: it may not run, or says what it needs and does not find.
            InternalError: its code fails.
        """
        if device != "CPU":
            raise PreconditionError(f"{self.name} has the device `CPU`, not `{device}`", reason="unknown_device")
        if options.precision not in ("", "fp32"):
            raise PreconditionError(f"{self.name} computes as the model's code does, not in `{options.precision}`")
        if reason := _refusal(model):
            raise PreconditionError(reason, reason=GRANT)
        if (folder / CONFIG_FILE).exists():
            from panope_backends.engines.python.triton_model import PythonTensorModel  # it brings NumPy

            return PythonTensorModel(model.name, folder)
        from panope_backends.engines.python import skill_models  # it brings NumPy

        return (skill_models.SkillEmbeddingModel if model.task == EMBED else skill_models.SkillTensorModel)(folder)


def _refusal(model: ModelFacts) -> str:
    """Why a model's code may not run; empty when it may."""
    if GRANT not in model.grants:
        return "it is the model's own code, which runs only where `grants.remote_code` lists the model"
    return refusal(model.grants)
