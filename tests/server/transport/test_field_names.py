import pytest

from panope_server.transport.field_names import FieldNames


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("texts", "input"),
        ("texts[3]", "input[3]"),
        ("truncation", "parameters.truncate"),
        ("inputs[0].data_type", "inputs[0].data_type"),
        ("inputs[texts]", "inputs[texts]"),
    ],
)
def test_only_the_outermost_name_of_a_path_is_the_bodys(path: str, name: str) -> None:
    assert FieldNames({"texts": "input", "truncation": "parameters.truncate"})(path) == name


def test_a_text_that_came_by_itself_has_no_position() -> None:
    names = FieldNames({"texts": "input"}, single=True)
    assert (names("texts[0]"), names("token_sequences[0]"), names("inputs[0]")) == (
        "input",
        "token_sequences",
        "inputs[0]",
    )
