"""`panope build` and `panope register --quantize`, as a person types them."""

import pytest

from panope_backends.testing.models import tiny_gguf

MODEL = "acme/llama"


@pytest.fixture
def gguf(tmp_path):
    """A folder with a GGUF file of 16 bits."""
    folder = tmp_path / "gguf"
    folder.mkdir()
    tiny_gguf(folder)
    return folder


def test_a_smaller_variant_is_made_shown_and_found_again(cli, gguf):
    cli("import", str(gguf), "--name", MODEL)
    arguments = ("build", MODEL, "--format", "gguf", "--precision", "q8_0")
    assert f"made {MODEL} gguf q8_0" in cli(*arguments).out
    assert f"there already: {MODEL} gguf q8_0" in cli(*arguments).out
    refused = cli("build", MODEL, "--format", "gguf", "--precision", "q9_9", code=1)
    assert refused.err.startswith(f"panope: `{MODEL}` (gguf fp16, gguf q8_0) cannot be made gguf q9_9; it can be made")
    assert [job["status"] for job in cli("jobs", "--json").json] == ["succeeded"] * 2, "there is no job for it"


def test_quantization_targets_are_made_when_the_weights_are_here(cli, hub, gguf):
    hub.add(MODEL, {file.name: file.read_bytes() for file in gguf.iterdir()})
    impossible = cli("register", MODEL, "--quantize", "int8", code=1)
    assert "`int8` is made of safetensors or pytorch or openvino weights" in " ".join(impossible.err.split())

    cli("register", MODEL, "--quantize", "q8_0", "--quantize", "q4_0", "--precision", "q8_0")
    cli("pull", MODEL)
    shown = cli("show", MODEL, "--json").json
    assert (shown["quantization_targets"], shown["preferred_precision"]) == (["q8_0", "q4_0"], "q8_0")
    assert [variant["precision"] for variant in shown["variants"]] == ["fp16", "q8_0", "q4_0"]
    source, *made = shown["variants"]
    assert {variant["derived_from"] for variant in made} == {source["digest"]}


@pytest.mark.slow
def test_a_build_downloads_what_is_missing_and_a_later_wish_is_fulfilled_at_once(cli, hub, gguf):
    hub.add(MODEL, {file.name: file.read_bytes() for file in gguf.iterdir()})
    cli("register", MODEL)
    made = cli("build", MODEL, "--format", "gguf", "--precision", "q8_0", "--json").json
    assert (made["made"], made["precision"]) == (True, "q8_0")
    cli("register", MODEL, "--quantize", "q4_0")
    assert cli("pull", MODEL, "--json").json["quantize_jobs"] == [], "what is made is not asked for again"
    assert "by gguf" in cli("show", MODEL).out
    variants = cli("show", MODEL, "--json").json["variants"]
    assert [variant["precision"] for variant in variants] == ["fp16", "q8_0", "q4_0"]
