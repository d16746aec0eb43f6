"""A wrong command line is answered by one sentence in Panope's own words, with the way out."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from panope_server.cli.main import app
from panope_server.cli.output.usage import RENAMED


def said(*words: str) -> str:
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.stdout) == (2, "")
    return done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("serve --http-port x", "`--http-port` is `x`; allowed: an integer; `panope serve --help` tells what there is"),
        ("serve --http-port 99999", "`--http-port` is `99999`; allowed: integer, 1 to 65535"),
        ("serve --log-level loud", "`--log-level` is `loud`; allowed: `debug`, `info`, `warning` or `error`"),
        (
            "bench a/b --seconds x",
            "`--seconds` is `x`; allowed: a number from 0.01 to 3600; `panope bench --help` tells",
        ),
        ("jobs ls --limit 0", "`--limit` is `0`; allowed: an integer from 1 to 1000; `panope jobs ls --help` tells"),
        (
            "jobs ls --limit 1001",
            "`--limit` is `1001`; allowed: an integer from 1 to 1000; `panope jobs ls --help` tells",
        ),
        (
            "speak a/b c --speed nan",
            "`--speed` is `nan`; allowed: a number from 0.25 to 4; `panope speak --help` tells",
        ),
        ("detect a/b . --threshold -1", "`--threshold` is `-1`; allowed: a number from 0 to 1; `panope detect --help`"),
        ("rerank a/b c d --top-n 0", "`--top-n` is `0`; allowed: an integer, at least 1; `panope rerank --help` tells"),
        ("run a/b c --temperature nan", "`--temperature` is `nan`; allowed: a number; `panope run --help` tells"),
        ("run a/b c --temperature 1e999", "`--temperature` is `1e999`; allowed: a number; `panope run --help` tells"),
        (
            "jobs show x",
            "JOB_ID is `x`; allowed: an integer, at least 1; `panope jobs show --help` tells what there is",
        ),
        ("import /no/such --name a/b", "FOLDER: dir '/no/such' does not exist; `panope import --help` tells"),
        (
            "transcribe a/b . --format foo",
            "`--format` is `foo`; allowed: `text`, `srt` or `vtt`; `panope transcribe --help`",
        ),
        ("embed a/b c --pooling foo", "`--pooling` is `foo`; allowed: `pooler`, `cls` or `patch_mean`; `panope embed"),
        ("embed a/b c --pooling cls", "`--pooling`: goes with --image; `panope embed --help` tells what there is"),
        ("classify a/b", "TEXTS: give texts, or a file by --image, --audio or --video; `panope classify --help` tells"),
        (
            "classify a/b c --multi-label",
            "`--multi-label`: needs --label; `panope classify --help` tells what there is",
        ),
        ("recommend embed --max-memory lots", "`--max-memory` must be a number of bytes, or such as `200GB`"),
        ("alias set a acme/b=foo", "the targets: `acme/b=foo` must be MODEL=NUMBER, such as `acme/tiny=10`"),
        ("show", "Missing argument 'model'; `panope show --help` tells what there is"),
        ("serve --nosuch", "No such option: --nosuch; `panope serve --help` tells what there is"),
        ("jobs shw", "No such command 'shw'. Did you mean 'show'? `panope jobs --help` tells what there is"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(words: str, sentence: str) -> None:
    told = said(*words.split())
    assert told.startswith(f"panope: {sentence}")
    assert told.count("\n") == 1
    assert "Input should be" not in told


@pytest.mark.parametrize(("command", "old"), RENAMED)
def test_what_was_renamed_is_told_by_its_new_name_which_is_one(command: str, old: str) -> None:
    new = RENAMED[command, old]
    before = [] if command == "panope" else [command]
    assert f"`{old}` was renamed to `{new}`" in said(*before, old)
    assert new in CliRunner().invoke(app, [*before, "--help"], env={"COLUMNS": "200"}).output


def test_no_words_at_all_are_answered_by_the_help() -> None:
    done = CliRunner().invoke(app, [])
    assert "Usage:" in done.output
    assert "panope:" not in done.output
