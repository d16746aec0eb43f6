"""The keys of sentence-transformers' files: honoured, known to have no effect on embeddings, or refused by name.

    modules.json                        `ModuleEntry`
    sentence_bert_config.json           `TransformerFile`; six older names mean the same
    config_sentence_transformers.json   `ModelFile`
    N_Pooling/config.json               `PoolingFile`
    N_SpladePooling/config.json         `SpladeFile`
    N_Normalize/config.json             `NormalizeFile`
    N_Dense/config.json                 `DenseFile`
    N_LayerNorm, N_Dropout              `LayerNormFile`, `DropoutFile`
    N_WeightedLayerPooling              `LayerPoolingFile`
    N_SparseAutoEncoder                 `AutoEncoderFile`

A key that is missing here is refused: an embedding that is silently a little wrong is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from panope_backends.errors import PreconditionError
from panope_backends.tasks.json_files import read_json, refuse_unknown, shown, typed

Positive = Annotated[int, Meta(ge=1)]

TRANSFORMER_FILES = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)

#: Where files come from, and how transformers runs what is in them: Panope reads the model's folder alone and chooses
#: precision and attention itself.
_WITHOUT_EFFECT = frozenset(
    {"trust_remote_code", "revision", "code_revision", "token", "use_auth_token", "cache_dir", "local_files_only"}
    | {"subfolder", "force_download", "use_cache", "return_dict"}
)
_MODEL_WITHOUT_EFFECT = _WITHOUT_EFFECT | {
    *("torch_dtype", "dtype", "attn_implementation", "device_map", "low_cpu_mem_usage", "use_safetensors"),
    *("weights_only", "add_pooling_layer"),
}
#: Of models with a vector for each token.
_OF_PURPOSES = frozenset({"query_length", "document_length", "query_expansion"})
_CALL_KEYS = frozenset({"max_length", "truncation", "padding", "return_tensors"})


class ModuleEntry(Struct):
    """One of modules.json. `kwargs` names what callers may pass to the module, which none does here."""

    type: str
    path: str = ""
    idx: int = 0
    name: str = ""
    kwargs: list[str] = []


class TransformerFile(Struct):
    """How texts become tokens."""

    max_seq_length: Positive | None = None
    do_lower_case: bool = False
    tokenizer_args: dict[str, Any] = {}
    processor_kwargs: dict[str, Any] = {}
    model_args: dict[str, Any] = {}
    model_kwargs: dict[str, Any] = {}
    config_args: dict[str, Any] = {}
    config_kwargs: dict[str, Any] = {}
    processing_kwargs: dict[str, dict[str, Any]] = {}
    transformer_task: str | None = None
    modality_config: dict[str, Any] | None = None
    module_output_name: str | None = None
    query_length: int | None = None
    document_length: int | None = None
    query_expansion: dict[str, Any] | None = None
    tokenizer_name_or_path: str | None = None
    # Without effect: how a batch is laid out in memory, and where files are kept.
    unpad_inputs: bool | None = None
    cache_dir: str | None = None


class ModelFile(Struct):
    """Prompts and dimensions."""

    prompts: dict[str, str | None] = {}
    default_prompt_name: str | None = None
    truncate_dim: Positive | None = None
    model_type: str = "SentenceTransformer"
    max_active_dims: Positive | None = None
    # Without effect: what wrote the file, and how others compare vectors.
    version: Any = field(default=None, name="__version__")
    requirements: Any = None
    similarity_fn_name: str | None = None


class PoolingFile(Struct):
    """How token vectors become one vector; the sizes are those of the model anyway."""

    pooling_mode: str | list[str] | None = None
    include_prompt: bool = True
    pooling_mode_cls_token: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False
    pooling_mode_lasttoken: bool = False
    word_embedding_dimension: int | None = None
    embedding_dimension: int | None = None


class SpladeFile(Struct):
    """How values of the vocabulary are pooled over tokens; the size is that of the model anyway."""

    pooling_strategy: Literal["max", "sum"] = "max"
    activation_function: Literal["relu", "log1p_relu"] = "relu"
    embedding_dimension: int | None = None
    word_embedding_dimension: int | None = None
    # Without effect: how much of a text is pooled at a time.
    chunk_size: int | None = None


class NormalizeFile(Struct):
    """What is scaled to length 1."""

    module_input_name: str = "sentence_embedding"
    module_output_name: str | None = None


class DenseFile(Struct):
    """A linear layer; without `module_output_name` its vectors take the place of those it reads."""

    in_features: Positive | None = None
    out_features: Positive | None = None
    bias: bool = True
    activation_function: str = "torch.nn.modules.activation.Tanh"
    module_input_name: str | None = None
    module_output_name: str | None = None
    use_residual: bool = False


class LayerNormFile(Struct):
    """Scales each vector by its own mean and variance."""

    dimension: Positive


class LayerPoolingFile(Struct):
    """How the vectors of layers become one."""

    embedding_dimension: Positive | None = None
    word_embedding_dimension: Positive | None = None
    num_hidden_layers: int = 12
    layer_start: Annotated[int, Meta(ge=0)] = 4


class AutoEncoderFile(Struct):
    """How vectors become sparse: the `k` largest of `hidden_dim` latents."""

    input_dim: Positive
    hidden_dim: Positive = 512
    k: Positive = 8
    normalize: bool = False
    # Without effect: of training.
    k_aux: int | None = None
    dead_threshold: int | None = None


class DropoutFile(Struct):
    """Of training alone."""

    dropout: float = 0.2


@dataclass(frozen=True)
class TransformerUse:
    """What of a transformer is run, in sentence-transformers' words.

    Attributes:
        task: that it is loaded for.
        output: that it gives.
        default_task: where the file says nothing.
        tells_purposes: whether the file may say how queries and documents differ.
        vectors: what its output becomes.
        methods: that are run, by the kinds of input that they are run on.
        is_default: whether the library runs them where the file has no `modality_config`.
    """

    task: str = "feature-extraction"
    output: str = "last_hidden_state"
    default_task: str = "feature-extraction"
    tells_purposes: bool = False
    vectors: str = "token_embeddings"
    methods: tuple[tuple[str, str], ...] = (("text", "forward"),)
    is_default: bool = True

    @property
    def takes_images(self) -> bool:
        """Whether images are run too."""
        return "image" in dict(self.methods)


ENCODES = TransformerUse()
FILLS_MASKS = TransformerUse("fill-mask", "logits")
ENCODES_TOKENS = TransformerUse(tells_purposes=True)
COMPARES = TransformerUse(
    output="pooler_output",
    vectors="sentence_embedding",
    methods=(("text", "get_text_features"), ("image", "get_image_features")),
)


def read_auto_encoder(folder: Path) -> AutoEncoderFile:
    """config.json of a SparseAutoEncoder module.

    Raises:
        PreconditionError: it asks for what Panope cannot do, or for more values than there are.
    """
    name = f"{folder.name}/config.json"
    content = read_json(folder / "config.json", name=name)
    if "input_dim" not in content:
        raise PreconditionError(f"{name} has no `input_dim`")
    file = typed(content, AutoEncoderFile, name)
    if file.k > file.hidden_dim:
        raise PreconditionError(f"{name} has {file.k:,} as `k`, of {file.hidden_dim:,} values")
    return file


def read_transformer_file(folder: Path, use: TransformerUse = ENCODES) -> tuple[TransformerFile, str]:
    """The first that is there of `TRANSFORMER_FILES`, and its name.

    Args:
        folder: of the transformer.
        use: what Panope runs of it.

    Raises:
        PreconditionError: it asks for what Panope cannot do; the message names the file and the key.
    """
    for name in TRANSFORMER_FILES:
        content = read_json(folder / name, missing_ok=True)
        if content:
            return _checked(typed(content, TransformerFile, name), name, use), name
    return _checked(TransformerFile(), TRANSFORMER_FILES[0], use), TRANSFORMER_FILES[0]


def _checked(file: TransformerFile, name: str, use: TransformerUse) -> TransformerFile:
    _refuse_other_ways(file, name, use)
    _refuse_other_modalities(file, name, use)
    if use.takes_images:
        _refuse_other_images(file, name)
    return file


def call_max_tokens(file: TransformerFile, name: str) -> int | None:
    """The longest text as `processing_kwargs` says, which comes before every other limit.

    Raises:
        PreconditionError: it asks for something else too.
    """
    refuse_unknown(file.processing_kwargs, {"text", "common", "audio", "image", "video", "chat_template"}, name)
    limit: int | None = None
    for group in ("text", "common"):
        arguments = file.processing_kwargs.get(group, {})
        inside = f"processing_kwargs.{group}"
        refuse_unknown(arguments, _CALL_KEYS, name, inside)
        for key, allowed in (("truncation", (True, "longest_first", "only_first")), ("padding", (True, "longest"))):
            if key in arguments and arguments[key] not in allowed:
                raise PreconditionError(f"{name} sets `{inside}.{key}` to `{shown(arguments[key])}`")
        if "max_length" in arguments:
            limit = arguments["max_length"]
            if not isinstance(limit, int) or limit < 1:
                raise PreconditionError(f"{name} sets `{inside}.max_length` to `{shown(limit)}`")
    return limit


def tokenizer_arguments(file: TransformerFile, name: str) -> dict[str, Any]:
    """What the tokenizer is made with besides its own files.

    Raises:
        PreconditionError: an argument names a file, which may lie anywhere.
    """
    given = file.processor_kwargs or file.tokenizer_args
    inside = "processor_kwargs" if file.processor_kwargs else "tokenizer_args"
    for key in given:
        if key.endswith(("_file", "_object", "_or_path")) or key in ("mistral_format", "config", "tokenizer_type"):
            raise PreconditionError(f"{name} sets `{shown(f'{inside}.{key}')}`, which Panope does not use")
    return {key: value for key, value in given.items() if key not in _WITHOUT_EFFECT | {"use_fast"}}


def _refuse_other_ways(file: TransformerFile, name: str, use: TransformerUse) -> None:
    only: Mapping[str, tuple[object, object]] = {
        "transformer_task": (file.transformer_task or use.default_task, use.task),
        "module_output_name": (file.module_output_name or use.vectors, use.vectors),
        "query_length": (file.query_length, None),
        "document_length": (file.document_length, None),
        "query_expansion": (file.query_expansion, None),
        "tokenizer_name_or_path": (file.tokenizer_name_or_path, None),
    }
    if use.tells_purposes:
        only = {key: value for key, value in only.items() if key not in _OF_PURPOSES}
    for key, (value, allowed) in only.items():
        if value != allowed:
            known = f"; Panope runs `{allowed}`" if allowed else ""
            raise PreconditionError(f"{name} sets `{key}` to `{shown(value)}`{known}")
    for inside, arguments in (
        *(("model_args", file.model_args), ("model_kwargs", file.model_kwargs)),
        *(("config_args", file.config_args), ("config_kwargs", file.config_kwargs)),
    ):
        known_keys = _MODEL_WITHOUT_EFFECT if inside.startswith("model") else _WITHOUT_EFFECT
        refuse_unknown(arguments, known_keys, name, inside)


def _refuse_other_modalities(file: TransformerFile, name: str, use: TransformerUse) -> None:
    """Newer files say how each kind of input is run; only what `use` tells is, such as text by the last layer."""
    modalities = file.modality_config
    if modalities is None:
        if not use.is_default:
            raise PreconditionError(f"{name} has no `modality_config`; Panope runs `{dict(use.methods)['text']}` there")
        return
    if "message" in modalities:
        raise PreconditionError(f"{name} asks for texts to be rendered as chat messages")
    for modality, method in use.methods:
        given = modalities.get(modality)
        way = given if isinstance(given, dict) else {}
        output = way.get("method_output_name", "none")
        if output not in (use.output, [use.output]):
            raise PreconditionError(f"{name} asks for the output `{shown(output)}`; Panope pools `{use.output}`")
        if way.get("method", method) != method:
            raise PreconditionError(f"{name} asks for the method `{shown(way['method'])}`; Panope runs `{method}`")
        refuse_unknown(way, {"method", "method_output_name", "format"}, name, f"modality_config.{modality}")


def _refuse_other_images(file: TransformerFile, name: str) -> None:
    """Images are made into arrays as their processor's own file says."""
    refuse_unknown(file.processing_kwargs.get("image", {}), frozenset(), name, "processing_kwargs.image")
    inside = "processor_kwargs" if file.processor_kwargs else "tokenizer_args"
    known = _WITHOUT_EFFECT | {"use_fast", "model_max_length"}
    refuse_unknown(file.processor_kwargs or file.tokenizer_args, known, name, inside)
