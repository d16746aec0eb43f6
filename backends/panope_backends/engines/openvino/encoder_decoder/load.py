"""Loads the graphs of an encoder-decoder that was converted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panope_backends.engines.openvino.encoder_decoder.facts import ENCODER_FILE, read_facts
from panope_backends.engines.openvino.encoder_decoder.model import OpenVinoEncoderDecoder
from panope_backends.engines.openvino.encoder_decoder.queries import add_queries
from panope_backends.errors import PreconditionError


def load_encoder_decoder(
    openvino: Any, file: Path, configuration: Mapping[str, object], precision: str
) -> OpenVinoEncoderDecoder:
    """Loads it onto the processor.

    Args:
        openvino: the module.
        file: the decoder's graph; the encoder's, and what they do not tell, lie beside it.
        configuration: of OpenVINO, its precision included.
        precision: of the configuration.

    Raises:
        PreconditionError: a file is missing.
        RuntimeError: OpenVINO's own.
    """
    facts = read_facts(file.parent)
    encoder = file.with_name(ENCODER_FILE)
    if not encoder.is_file():
        raise PreconditionError(f"the model has no file `{ENCODER_FILE}`", reason="missing_file")
    core = openvino.Core()
    decoder = core.read_model(file)
    scales = add_queries(openvino, decoder, len(facts.cross)) if facts.source is not None else ()
    reader, writer = (core.compile_model(each, "CPU", dict(configuration)) for each in (encoder, decoder))
    return OpenVinoEncoderDecoder(openvino, reader, writer, facts, precision, scales)
