"""What all backends that run PyTorch share: one engine, and the rule of a kind of device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from panope_backends.api import (
    API_VERSION,
    Backend,
    Device,
    Level,
    LoadedModel,
    LoadOptions,
    ModelFacts,
    PeerMemory,
    Support,
)
from panope_backends.engines.packages import missing_reason
from panope_backends.engines.precision import choose_precision
from panope_backends.engines.torch.audio.classifier import (
    audio_classifier_support,
    is_audio_classifier,
    load_audio_classifier,
)
from panope_backends.engines.torch.audio.ctc import ctc_support, is_ctc, load_ctc
from panope_backends.engines.torch.audio.speaking import SPEAK, load_speaker, speech_support
from panope_backends.engines.torch.decoder.facts import decoder_support
from panope_backends.engines.torch.devices.rule import DeviceRule
from panope_backends.engines.torch.devices.torch_device import TorchDevice
from panope_backends.engines.torch.diffusion.facts import diffusion_support, draws
from panope_backends.engines.torch.encoder.table_reader import is_table_reader, load_table_reader, table_reader_support
from panope_backends.engines.torch.encoder.transformer import transformer_support
from panope_backends.engines.torch.encoder_decoder.facts import (
    encoder_decoder_support,
    is_encoder_decoder,
    is_transcriber,
    reads_text,
)
from panope_backends.engines.torch.pretrained import TORCH_FORMATS
from panope_backends.engines.torch.tensor_parallel.division import Division, division_of, refusal_of
from panope_backends.engines.torch.vision.heads import vision_head, vision_support
from panope_backends.errors import PreconditionError
from panope_backends.host.processors import openmp_threads

if TYPE_CHECKING:
    from panope_backends.engines.torch.tensor_parallel.model import DividedStepModel  # it brings torch

GENERATE = "generate"
"""The task whose models are decoders."""


class TorchBackend(Backend):
    """PyTorch on one kind of device: every model that transformers has for a task of Panope's."""

    api_version = API_VERSION
    applies_adapters = True

    rule: ClassVar[DeviceRule]
    """Of its devices."""

    _divided: DividedStepModel | None = None

    def devices(self) -> Sequence[Device]:
        """As the rule finds them."""
        return self.rule.devices()

    def device_memory_bytes(self, device: str) -> int | None:
        """As PyTorch's allocator tells."""
        return self.rule.open(device).held_bytes()

    def peer_memory(self) -> Sequence[PeerMemory]:
        """As the system tells of its processes, and their allocators of their devices."""
        return () if self._divided is None else self._divided.peer_memory()

    def supports(self, model: ModelFacts, device: Device) -> Support:
        """FULL for safetensors that transformers knows; the same on all kinds of devices."""
        del device
        support = self._support(model)
        if support.level is Level.NONE:
            return support
        division = self._division(model)
        return replace(support, divisor=division.divisor, undivided=division.reason)

    def _division(self, model: ModelFacts) -> Division:
        return Division(1, self.rule.undivided) if self.rule.undivided else division_of(model)

    def _support(self, model: ModelFacts) -> Support:
        if model.format not in TORCH_FORMATS:
            return Support(Level.NONE, f"runs {', '.join(TORCH_FORMATS)}, not `{model.format}`")
        if missing := missing_reason("torch", "torch", "transformers"):
            return Support(Level.NONE, missing)
        if draws(model):
            return diffusion_support(model)
        if is_step_model(model):
            return (encoder_decoder_support if is_encoder_decoder(model.config) else decoder_support)(model)
        if model.task == SPEAK:
            return speech_support(model)
        if is_ctc(model):
            return ctc_support(model)
        if is_audio_classifier(model):
            return audio_classifier_support(model)
        if is_table_reader(model):
            return table_reader_support(model)
        head = vision_head(model)
        return transformer_support(model) if head is None else vision_support(model, head)

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        """Loads safetensors by transformers, decoders as step models.

        Raises:
            PreconditionError: the format, the device, the precision, a package, a file or memory is not there, or the
                device's driver refuses.
        """
        try:
            return self._load(model, folder, device, options)
        except RuntimeError as error:  # of CUDA too, whose GPUs may be seen and refuse to be used
            if lack := self.rule.known(error):
                raise PreconditionError(f"{device}: {lack.reason}; {lack.advice}") from error
            raise

    def _load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        opened = self.rule.open(device)
        if model.format not in TORCH_FORMATS:
            raise PreconditionError(f"{self.name} cannot load the format `{model.format}`", reason="unsupported_format")
        threads = openmp_threads(options.threads)
        native = ("fp32",) if model.task == SPEAK else self.rule.precisions(device)
        what = "with a model that speaks" if model.task == SPEAK else "with PyTorch"
        precision = choose_precision(options.precision, native, f"{self.name} {what}")
        if options.peer_devices or is_step_model(model):
            choose_precision(
                options.cache_precision, (precision,), f"{self.name}'s cache beside {precision} with PyTorch"
            )
        if options.peer_devices:
            return self._load_divided(model, folder, precision, threads, options, opened)
        if is_step_model(model):
            return _load_step_model(model, folder, precision, threads, options, opened)
        if model.task == SPEAK:
            return load_speaker(model, folder, precision, threads, opened)
        if draws(model):
            from panope_backends.engines.torch.diffusion.loading import load_pipeline

            return load_pipeline(model, folder, precision, threads, opened)
        if is_ctc(model):
            return load_ctc(model, folder, precision, threads, opened)
        if is_audio_classifier(model):
            return load_audio_classifier(model, folder, precision, threads, opened)
        if is_table_reader(model):
            return load_table_reader(model, folder, precision, threads, opened)
        if (head := vision_head(model)) is not None:
            from panope_backends.engines.torch.vision.model import load_vision_model  # it brings torch

            return load_vision_model(model, head, folder, precision, threads, opened)
        from panope_backends.engines.torch.encoder.model import load_torch_model  # it brings torch

        return load_torch_model(model, folder, precision, threads, opened)

    def _load_divided(
        self, model: ModelFacts, folder: Path, precision: str, threads: int, options: LoadOptions, device: TorchDevice
    ) -> LoadedModel:
        """A decoder over several devices; the import brings torch."""
        parts = 1 + len(options.peer_devices)
        if refusal := refusal_of(self._division(model), parts):
            raise PreconditionError(
                f"the model cannot be divided over {parts} devices: {refusal}", reason="not_divisible"
            )
        from panope_backends.engines.torch.tensor_parallel.model import load_divided

        peers = options.peer_devices
        self._divided = load_divided(model, folder, precision, threads, self.name, device, peers)
        return self._divided


def is_step_model(model: ModelFacts) -> bool:
    """Whether a model runs in steps."""
    return model.task == GENERATE or is_transcriber(model) or reads_text(model)


def _load_step_model(
    model: ModelFacts, folder: Path, precision: str, threads: int, options: LoadOptions, device: TorchDevice
) -> LoadedModel:
    """A decoder, with an encoder or without; either import brings torch."""
    if is_encoder_decoder(model.config):
        from panope_backends.engines.torch.encoder_decoder.loading import load_encoder_decoder

        return load_encoder_decoder(model, folder, precision, threads, device)
    from panope_backends.engines.torch.decoder.step_models import load_step_model

    return load_step_model(model, folder, precision, threads, options, device)
