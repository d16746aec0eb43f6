"""The tokenizer that transformers makes of a model's files, kept and read without transformers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from panope_backends.errors import PreconditionError
from panope_backends.programs.convert import Job, convert
from panope_backends.tasks.embed.files.config_files import read_embed_files
from panope_backends.tasks.embed.tokenizers.prepared import FILE, PreparedTokenizer, find_prepared, sources_digest
from panope_backends.tasks.embed.tokenizers.prepared_tokenizer import prepared_tokenizer
from panope_backends.tasks.embed.tokenizers.preparing import prepare_tokenizer
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.generate.tokenizer.prepared_tokenizer import prepared_tokenizer as prepared_chat_tokenizer
from panope_backends.tasks.kept_files import keep
from panope_backends.tasks.tokenizer_program import Job as TokenizerJob
from panope_backends.tasks.tokenizer_program import run_program

Write = Callable[..., Path]


def prepared_of(folder: Path) -> PreparedTokenizer:
    return prepare_tokenizer(read_embed_files(folder))


def set_in(path: Path, **settings: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def ids_of(folder: Path, text: str) -> list[int]:
    return TextTokenizer(prepared_of(folder)).encode([text])[0]


def test_a_setting_that_only_transformers_applies_changes_the_ids(sentence_model: Write) -> None:
    folder = sentence_model({"sentence_bert_config.json": {"tokenizer_args": {"add_eos_token": True}}})
    set_in(folder / "tokenizer_config.json", eos_token="w5")
    # The template of tokenizer.json opens and closes with 1 and 2; the setting puts another in its place.
    assert ids_of(folder, "w1")[-1] == ids_of(folder, "w5")[-1] == 9
    plain = sentence_model()
    (plain / "sentence_bert_config.json").unlink()
    assert ids_of(plain, "w1") == [1, 5, 2]


def test_names_of_special_tokens_in_texts_are_text_where_the_files_say_so(sentence_model: Write) -> None:
    folder = sentence_model()
    assert ids_of(folder, "w1[SEP]") == [1, 5, 2, 2]
    set_in(folder / "tokenizer_config.json", split_special_tokens=True)
    assert ids_of(folder, "w1[SEP]") == [1, 3, 2]


def test_lower_case_comes_before_the_tokenizers_own_rules(sentence_model: Write) -> None:
    folder = sentence_model({"sentence_bert_config.json": {"do_lower_case": True}})
    rules = json.loads(bytes(prepared_of(folder).tokenizer))["normalizer"]["normalizers"]
    assert [rule["type"] for rule in rules] == ["Lowercase", "NFC"]
    assert ids_of(folder, "W1") == [1, 5, 2]


@pytest.mark.parametrize(
    ("sentence", "tokenizer", "model", "limit"),
    [
        ({"max_seq_length": 20}, {"model_max_length": 30}, {}, 20),
        ({"max_seq_length": None}, {"model_max_length": 30}, {}, 30),
        ({"max_seq_length": 100}, {}, {"max_position_embeddings": 64}, 100),
        ({"max_seq_length": 20, "processing_kwargs": {"text": {"max_length": 30}}}, {}, {}, 30),
        ({"processing_kwargs": {"text": {"max_length": 100}}}, {}, {"max_position_embeddings": 64}, 100),
        ({"tokenizer_args": {"model_max_length": 100}}, {}, {"max_position_embeddings": 64}, 100),
        ({"tokenizer_args": {"model_max_length": 10}}, {"model_max_length": 30}, {}, 10),
        ({}, {"model_max_length": int(1e30)}, {"max_position_embeddings": 64}, 64),
        ({}, {"model_max_length": int(1e30)}, {"model_type": "bloom"}, None),
        ({}, {}, {"model_type": "xlm-roberta", "max_position_embeddings": 48, "pad_token_id": 1}, 46),
        ({}, {"model_max_length": 99}, {"model_type": "gpt2", "n_positions": 40}, 40),
    ],
)
def test_a_stated_length_holds_whatever_the_model_was_trained_with(
    sentence_model: Write,
    sentence: dict[str, object],
    tokenizer: dict[str, object],
    model: dict[str, object],
    limit: int | None,
) -> None:
    config = {"model_type": "bert", "max_position_embeddings": 512, **model}
    if config["model_type"] in ("bloom", "gpt2"):
        del config["max_position_embeddings"]
    folder = sentence_model({"sentence_bert_config.json": sentence, "config.json": config})
    set_in(folder / "tokenizer_config.json", **tokenizer)
    assert prepared_of(folder).max_tokens == limit


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("tokenizer.json", {}, "one is broken"),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["code.Tokenizer", None]}}, "`auto_map`"),
        ("tokenizer_config.json", {"processor_class": "CLIPProcessor"}, "asks for a processor"),
        ("tokenizer_config.json", {"padding_side": "top"}, "(padding_side `top`|one is broken)"),
        ("tokenizer_config.json", {"tokenizer_class": "CanineTokenizer"}, "CanineTokenizer has no form"),
    ],
)
def test_a_tokenizer_that_panope_cannot_keep_is_refused_by_name(
    sentence_model: Write, file: str, content: dict[str, object], message: str
) -> None:
    folder = sentence_model({file: content})
    with pytest.raises(PreconditionError, match=message):
        prepared_of(folder)


def test_a_model_without_a_vocabulary_is_refused(sentence_model: Write) -> None:
    folder = sentence_model()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(PreconditionError, match=r"^the model has no tokenizer\.json, and no vocabulary"):
        prepared_of(folder)


def test_a_serialised_form_that_gives_other_ids_is_refused(
    sentence_model: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panope_backends.tasks.embed.tokenizers.preparing.serialised", _without_splitting)
    with pytest.raises(PreconditionError, match="gives other ids in its serialised form"):
        prepared_of(sentence_model())


def _without_splitting(made: Any, *, lower_case: bool) -> str:
    del lower_case
    document = json.loads(made.backend_tokenizer.to_str())
    document["pre_tokenizer"] = None
    return json.dumps(document)


def test_a_plain_model_with_a_chat_template_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    for source in tiny_bert.iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    set_in(tmp_path / "tokenizer_config.json", chat_template="{{ messages }}")
    with pytest.raises(PreconditionError, match="has a chat template and no modules"):
        prepared_of(tmp_path)


def test_what_was_made_of_other_files_is_made_again(sentence_model: Write, tmp_path: Path) -> None:
    folder = sentence_model()
    first = prepared_of(folder)
    keep(first, folder / FILE)
    assert prepared_tokenizer(folder, read_embed_files(folder), None) == first
    set_in(folder / "tokenizer_config.json", padding_side="left")
    files = read_embed_files(folder)
    assert find_prepared(folder / FILE, sources_digest(files)) is None
    assert prepared_tokenizer(folder, files, tmp_path / "cache").padding_side == "left"
    assert len(list((tmp_path / "cache" / "tokenizers").iterdir())) == 1


def test_a_kept_tokenizer_that_is_damaged_is_made_again(sentence_model: Write, tmp_path: Path) -> None:
    folder = sentence_model()
    files = read_embed_files(folder)
    made = prepared_tokenizer(folder, files, tmp_path)
    (kept,) = (tmp_path / "tokenizers").iterdir()
    content, changed = kept.read_bytes(), kept.stat().st_mtime_ns
    assert prepared_tokenizer(folder, files, tmp_path) == made
    assert kept.stat().st_mtime_ns == changed, "what is whole is kept"
    kept.write_bytes(content.replace(b'"padding_side":"right"', b'"padding_side":"left"'))
    assert kept.read_bytes() != content
    assert prepared_tokenizer(folder, files, tmp_path) == made
    assert [path.read_bytes() for path in (tmp_path / "tokenizers").iterdir()] == [content]


def test_a_worker_without_transformers_makes_it_in_a_process_of_its_own(sentence_model: Write, tmp_path: Path) -> None:
    folder = sentence_model()
    code = (
        "import sys; from pathlib import Path; "
        "from panope_backends.tasks.embed.tokenizers.prepared_tokenizer import prepared_tokenizer; "
        "from panope_backends.tasks.embed.files.config_files import read_embed_files; folder = Path(sys.argv[1]); "
        "made = prepared_tokenizer(folder, read_embed_files(folder), Path(sys.argv[2])); "
        "print(made.max_tokens, 'transformers' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(folder), str(tmp_path / "cache")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["48", "False"]


def test_a_tokenizer_is_made_at_each_load_where_none_can_be_kept(sentence_model: Write, tmp_path: Path) -> None:
    folder = sentence_model()
    files = read_embed_files(folder)
    (tmp_path / "file").touch()
    nowhere = tmp_path / "file" / "cache"
    assert prepared_tokenizer(folder, files, nowhere) == prepared_tokenizer(folder, files, None)
    assert prepared_chat_tokenizer(folder, nowhere) == prepared_chat_tokenizer(folder, None)


def test_the_program_tells_apart_what_it_cannot_make_and_what_it_cannot_write(
    sentence_model: Write, tmp_path: Path
) -> None:
    folder = sentence_model()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        run_program(TokenizerJob("embed", str(folder), str(tmp_path / "file" / "made.json")))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(PreconditionError, match="no vocabulary"):
        run_program(TokenizerJob("embed", str(folder), str(tmp_path / "made.json")))


def test_a_conversion_brings_the_tokenizer(sentence_model: Write, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, out = sentence_model(), tmp_path_factory.mktemp("out")
    config = json.loads((folder / "config.json").read_text())
    facts = {"name": "a/b", "format": "safetensors", "task": "embed", "architecture": "BertModel", "config": config}
    document = {"backend": "openvino", "format": "openvino", "precision": "fp32", "model": facts}
    convert(msgspec.convert(document | {"folder": str(folder), "out": str(out)}, Job))
    files = read_embed_files(out)
    assert find_prepared(out / FILE, sources_digest(files)) is not None
