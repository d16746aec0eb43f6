"""What no route that generates honours, and why."""

from __future__ import annotations

from collections.abc import Mapping

from panope_server.transport.rest.json.refusals import Refusal

_NO_BEAMS = "is refused: answers are drawn, not searched for; `n` draws several"
_STORED = "is refused: nothing is stored, so nothing can be found again by it"

#: By the names that clients of OpenAI, vLLM, SGLang and OpenVINO Model Server have for them.
REFUSED: Mapping[str, Refusal] = {
    "best_of": Refusal(_NO_BEAMS, (1,)),
    "use_beam_search": Refusal(_NO_BEAMS, (False,)),
    "beam_width": Refusal(_NO_BEAMS, (1,)),
    "num_beams": Refusal(_NO_BEAMS, (1,)),
    "length_penalty": Refusal("is refused: it is for beams", (1, 1.0)),
    "early_stopping": Refusal("is refused: it is for beams", (False,)),
    "diversity_penalty": Refusal("is refused: it is for beams", (0, 0.0)),
    "no_repeat_ngram_size": Refusal("is refused: `frequency_penalty` and `repetition_penalty` avoid repetition", (0,)),
    "typical_p": Refusal("is refused: use `top_p` or `min_p`", (1, 1.0)),
    "bad_words": Refusal("is refused: `logit_bias` of -100 avoids a token", ([],)),
    "allowed_token_ids": Refusal("is refused: `logit_bias` and grammars say what may come", ([],)),
    "logits_processors": Refusal("is refused: no code of callers is run", ([],)),
    "guided_decoding_backend": Refusal("is refused: there is one", ("auto",)),
    "guided_whitespace_pattern": Refusal("is refused: say it in `guided_grammar`"),
    "return_tokens_as_token_ids": Refusal("is refused: gRPC's GenerateService tells token ids", (False,)),
    "return_token_ids": Refusal("is refused: gRPC's GenerateService tells token ids", (False,)),
    "metadata": Refusal(_STORED, ({},)),
    "moderation": Refusal("is refused: nothing is moderated here"),
    "prompt_cache_retention": Refusal("is refused: prefixes stay while there is room", ("in_memory", "in-memory")),
    "prompt_cache_options": Refusal("is refused: prefixes stay while there is room", ({},)),
    "kv_transfer_params": Refusal("is refused: an answer is computed in one place"),
    "lora_path": Refusal("is refused: name the adapter's model in `model`"),
    "extra_body": Refusal("is refused: write its fields beside the others", ({},)),
    "request_id": Refusal("is refused: the header `x-request-id` names a request"),
}
