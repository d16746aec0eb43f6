"""Marian and M2M-100 as hubs have them, without a tokenizer.json: they read and write as transformers does."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from panope.worker.v1 import generate_pb2 as messages
from panope.worker.v1 import tokenize_pb2
from panope_backends.api import LoadedModel, LoadOptions, ModelFacts
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.generate.module import GenerateModule
from panope_backends.tasks.generate.tokenizer.preparing import prepare_chat_tokenizer
from panope_backends.tasks.generate.tokenizer.source_encoder import SourceEncoder
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder
from panope_backends.testing.audio.fairseq import LANGUAGES as SEAMLESS
from panope_backends.testing.audio.fairseq import tiny_seamless
from panope_backends.testing.translators import ENGLISH, GERMAN, tiny_m2m, tiny_marian

pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")

CODES = ("fra", "deu")
Written = Callable[[Path], object]
KINDS: Mapping[str, Written] = {
    "marian": tiny_marian,
    "marian-codes": lambda folder: tiny_marian(folder, CODES),
    "m2m100": tiny_m2m,
    "m2m100-unigram": lambda folder: tiny_m2m(folder, "unigram"),
    "seamless": lambda folder: tiny_seamless(folder, kind="TextToText"),
}
#: What summarisers and translators of the hub have in their files.
SETTINGS = {"no_repeat_ngram_size": 2, "min_length": 6}


@dataclasses.dataclass
class Source:
    """What the worker gives a task to load from."""

    folder: Path
    cache_folder: Path
    max_batch_tokens: int = 4096
    max_memory_bytes: int = 0
    variant_digest: str = ""
    settings: bytes = messages.GenerateSettings(slots=4).SerializeToString()

    def load_any(self, config: Mapping[str, Any], **_: Any) -> LoadedModel:
        facts = ModelFacts("test/translator", "safetensors", "generate", config["architectures"][0], config)
        return CpuBackend().load(facts, self.folder, "CPU", LoadOptions(precision="fp32", threads=1))


class Translator:
    """A loaded model, and the same in transformers."""

    def __init__(self, folder: Path) -> None:
        self.task = GenerateModule().load(Source(folder, folder / "cache"))  # type: ignore[arg-type]  # a part of it
        self.facts = messages.GenerateFacts.FromString(self.task.facts)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.module = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()

    def translate(self, text: str, source: str = "", target: str = "") -> str:
        asked = messages.TextToText(task="translation", source_language=source, target_language=target)
        message = messages.GenerateInput(
            prompts=[text], text_to_text=asked, temperature=0.0, n=1, skip_special_tokens=True, add_special_tokens=True
        )
        job: Any = self.task.requests["generate"](message.SerializeToString())
        model: Any = self.task.model
        (request,) = job.requests
        model.submit(request)
        deltas: list[Any] = []
        while not deltas or deltas[-1].usage is None:
            deltas += model.deltas(1.0)
        return "".join(delta.text for delta in deltas)

    def expected(self, text: str, source: str = "", target: str = "") -> str:
        if source:
            self.tokenizer.src_lang = source
        ids = self.tokenizer(text, return_tensors="pt")
        forced = {"forced_bos_token_id": self.tokenizer.get_lang_id(target)} if target else {}
        with torch.inference_mode():
            made = self.module.generate(**ids, num_beams=1, do_sample=False, **SETTINGS, **forced)
        return str(self.tokenizer.decode(made[0], skip_special_tokens=True))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    written: dict[str, Path] = {}

    def folder_of(kind: str) -> Path:
        if kind not in written:
            written[kind] = tmp_path_factory.mktemp(kind)
            KINDS[kind](written[kind])
        return written[kind]

    return folder_of


@pytest.fixture
def translator(folders: Callable[[str], Path], kind: str) -> Iterator[Translator]:
    import json

    file = folders(kind) / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | SETTINGS))
    made = Translator(folders(kind))
    yield made
    made.task.close()


@pytest.mark.parametrize("kind", KINDS)
def test_texts_and_answers_are_those_of_the_tokenizer_in_python(folders: Callable[[str], Path], kind: str) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(folders(kind))
    ours = TextEncoder(prepare_chat_tokenizer(folders(kind)))
    pieces = st.sampled_from(
        [*theirs.get_vocab(), " ", "  ", "<s>", ">>fra<<", ">>", "<<", "__de__", "é", "e\u0301", "ﬁ"]
    )
    texts = st.one_of(st.text(), st.lists(pieces).map("".join), st.lists(pieces).map(" ".join))

    @settings(max_examples=60, deadline=None)
    @given(texts, st.lists(st.sampled_from(sorted(theirs.get_vocab().values()))))
    def is_the_same(text: str, ids: list[int]) -> None:
        assert ours.encode(text, add_special_tokens=True) == theirs(text)["input_ids"]
        theirs_text = theirs.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert ours.decode(ids).strip() == theirs_text.strip()

    is_the_same()


def test_tokens_have_their_places_in_the_text(folders: Callable[[str], Path]) -> None:
    ours = TextEncoder(prepare_chat_tokenizer(folders("marian-codes")))
    text = ">>fra<< The cat"
    (told,) = ours.tokenize(tokenize_pb2.TokenizeInput(texts=[text], add_special_tokens=True)).texts
    assert list(told.ids) == ours.encode(text, add_special_tokens=True)
    assert (told.tokens[0], told.tokens[-1]) == (">>fra<<", "</s>")
    for token, begin, end in list(zip(told.tokens, told.starts, told.ends, strict=True))[:-1]:
        assert token.startswith("▁") or text[begin:end] == token
    assert list(told.special) == [False] * (len(told.ids) - 1) + [True]
    (nothing,) = ours.tokenize(tokenize_pb2.TokenizeInput(texts=[""])).texts
    assert list(nothing.ids) == []


@pytest.mark.parametrize("kind", ["marian"])
def test_a_marian_of_two_languages_translates_as_transformers(translator: Translator) -> None:
    right = [translator.expected(text) for text in (*ENGLISH, *GERMAN)]
    assert len(set(right)) > 2
    assert [translator.translate(text).strip() for text in (*ENGLISH, *GERMAN)] == right
    assert translator.translate(ENGLISH[0], "en", "de").strip() == right[0]
    assert list(translator.facts.ignored_defaults) == []
    for wrong in (("de", ""), ("", "en"), ("de", "en")):
        with pytest.raises(InvalidInputError, match="cannot be told"):
            translator.translate(ENGLISH[0], *wrong)


@pytest.mark.parametrize("kind", ["marian-codes"])
def test_a_marian_of_many_languages_is_told_the_one_of_the_answer(translator: Translator) -> None:
    assert list(translator.facts.languages) == sorted(CODES)
    for code in CODES:
        right = translator.expected(f">>{code}<< {ENGLISH[1]}")
        assert translator.translate(f">>{code}<< {ENGLISH[1]}").strip() == right
        assert translator.translate(ENGLISH[1], target=code).strip() == right
    with pytest.raises(InvalidInputError) as refusal:
        translator.translate(ENGLISH[1], target="xyz")
    assert refusal.value.field == "target_language"
    with pytest.raises(InvalidInputError) as refusal:
        translator.translate(ENGLISH[1], source="eng", target="fra")
    assert refusal.value.field == "source_language"


@pytest.mark.parametrize("kind", ["m2m100"])
def test_m2m100_is_told_both_languages(translator: Translator) -> None:
    assert len(translator.facts.languages) == 100
    for pair in (("en", "de"), ("de", "en"), ("en", "zu")):
        assert translator.translate(ENGLISH[1], *pair).strip() == translator.expected(ENGLISH[1], *pair)
    with pytest.raises(InvalidInputError) as refusal:
        translator.translate(ENGLISH[1], "en")
    assert refusal.value.field == "target_language"


@pytest.mark.parametrize("kind", ["seamless"])
def test_seamless_is_told_both_languages(translator: Translator) -> None:
    assert list(translator.facts.languages) == sorted(SEAMLESS)
    answers = set()
    for source, target in (("eng", "deu"), ("fra", "eng"), ("eng", "fra")):
        translator.tokenizer.src_lang = source
        ids = translator.tokenizer("the inner one", return_tensors="pt")
        with torch.inference_mode():
            made = translator.module.generate(**ids, tgt_lang=target, num_beams=1, do_sample=False, **SETTINGS)
        right = translator.tokenizer.decode(made[0], skip_special_tokens=True).strip()
        assert translator.translate("the inner one", source, target).strip() == right
        answers.add(right)
    assert len(answers) > 1
    for wrong, field in (("eng", ""), "target_language"), (("xyz", "eng"), "source_language"):
        with pytest.raises(InvalidInputError) as refusal:
            translator.translate("the", *wrong)
        assert refusal.value.field == field


def test_what_would_read_otherwise_is_refused(folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    usual = SourceEncoder.encode
    monkeypatch.setattr(SourceEncoder, "encode", lambda self, text, **how: usual(self, text.lower(), **how))
    with pytest.raises(PreconditionError, match="MarianTokenizer gives other ids"):
        prepare_chat_tokenizer(folders("marian"))


def test_what_would_write_otherwise_is_refused(folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    usual = TextEncoder.decode
    monkeypatch.setattr(TextEncoder, "decode", lambda self, ids: usual(self, ids).replace(" ", ""))
    with pytest.raises(PreconditionError, match="M2M100Tokenizer gives other texts"):
        prepare_chat_tokenizer(folders("m2m100"))


def test_a_file_of_words_is_refused(tmp_path: Path) -> None:
    tiny_m2m(tmp_path, "word")
    with pytest.raises(PreconditionError, match="words or characters"):
        prepare_chat_tokenizer(tmp_path)


def test_without_sentencepiece_the_package_is_named(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from panope_backends.tasks import tokenizer_making

    def makes_nothing(*_: Any, **__: Any) -> None:
        raise ValueError

    monkeypatch.setattr(tokenizer_making, "find_spec", lambda _: None)
    monkeypatch.setattr(sys.modules["transformers"].AutoTokenizer, "from_pretrained", makes_nothing)
    with pytest.raises(PreconditionError, match="pip install sentencepiece"):
        prepare_chat_tokenizer(folders("marian"))
