from panope_backends.errors import Field, InvalidInputError, OverloadedError, PreconditionError


def test_a_sentence_about_a_field_names_it_in_the_words_of_the_protocol() -> None:
    error = InvalidInputError.at(
        "texts[3]", "{field} has {count:,} tokens; the limit is {limit}", count=6000, limit=512
    )
    assert error.message == "`texts[3]` has 6,000 tokens; the limit is 512"
    assert (error.field, error.reason) == ("texts[3]", "invalid_input")


def test_renaming_writes_every_field_that_a_sentence_mentions_and_nothing_else() -> None:
    error = PreconditionError.at(
        "prompt_name", "{field} needs {texts}, not `texts`", reason="a_reason", texts=Field("texts")
    )
    error.details["known"] = "query"
    renamed = error.renamed({"prompt_name": "parameters.prompt_name", "texts": "input"}.__getitem__)
    assert type(renamed) is PreconditionError
    assert renamed.message == "`parameters.prompt_name` needs `input`, not `texts`"
    assert (renamed.field, renamed.reason) == ("parameters.prompt_name", "a_reason")
    assert renamed.details == {"known": "query"}
    assert error.message == "`prompt_name` needs `texts`, not `texts`", "the first error stays as it was"


def test_fields_that_have_one_name_for_the_caller_are_listed_once() -> None:
    listed = (Field("logprobs"), ", ", Field("seed"), ", ", Field("prompt_logprobs"))
    error = InvalidInputError(("not supported: ", *listed, "; leave out ", Field("logprobs")), field="logprobs")
    names = {"logprobs": "logprobs", "prompt_logprobs": "logprobs", "seed": "seed"}
    assert error.renamed(names.__getitem__).message == "not supported: `logprobs`, `seed`; leave out `logprobs`"


def test_what_a_caller_wrote_is_never_read_as_a_template() -> None:
    error = InvalidInputError.at("model", "{field} names `{model}`", model="{field} {0} {{")
    assert error.message == "`model` names `{field} {0} {{`"
    assert InvalidInputError("no template: {field}").renamed(str.upper).message == "no template: {field}"


def test_an_error_without_a_field_keeps_all_when_it_is_renamed() -> None:
    error = OverloadedError("the queue is full", retry_after_seconds=2.5)
    renamed = error.renamed(str.upper)
    assert (renamed.message, renamed.field, renamed.retry_after_seconds) == ("the queue is full", "", 2.5)
