import random
from collections.abc import Callable

import numpy as np
import pytest

from panope.worker.v1 import tensors_pb2, tokenize_pb2
from panope.worker.v1 import worker_pb2 as wire

Start = Callable[..., tuple]
Vectors = Callable[[wire.WorkerFrame], np.ndarray]
Message = Callable[[wire.Failure], str]
Expected = Callable[[str], np.ndarray]

FUSSY = "worker_doubles:FussyBackend"
GATE = "worker_doubles:GateBackend"


def test_ready_tells_what_the_model_takes_and_gives(start: Start) -> None:
    _, ready = start()
    assert ready.id == 0
    embed = ready.facts
    assert (embed.dimensions, embed.max_tokens, embed.pooling, embed.normalize) == (8, 64, "mean", False)
    assert list(embed.prompt_names) == ["empty", "query"]
    assert [(spec.name, spec.dtype, list(spec.shape)) for spec in ready.ready.inputs] == [
        ("input_ids", "int64", [-1, -1]),
        ("attention_mask", "int64", [-1, -1]),
    ]
    assert ready.ready.precision == "fp32"


def test_vectors_come_in_the_order_of_the_texts(start: Start, vectors: Vectors, expected: Expected) -> None:
    worker, _ = start()
    texts = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9", "w1"]
    worker.embed(*texts)
    answer = worker.receive()
    np.testing.assert_allclose(vectors(answer), [expected(text) for text in texts], atol=1e-6)
    assert list(answer.embed.token_counts) == [5, 3, 7, 3]


def test_sixty_four_interleaved_requests_each_get_their_own_vectors(
    start: Start, vectors: Vectors, expected: Expected
) -> None:
    worker, _ = start(max_batch_tokens=200, max_batch_size=8)
    words = random.Random(1)
    asked = {}
    for _ in range(64):
        texts = [
            " ".join(f"w{words.randrange(200)}" for _ in range(words.randint(1, 40)))
            for _ in range(words.randint(1, 12))
        ]
        asked[worker.embed(*texts)] = texts
    for _ in range(64):
        answer = worker.receive()
        texts = asked.pop(answer.id)
        np.testing.assert_allclose(vectors(answer), [expected(text) for text in texts], atol=1e-6)
        assert 1 <= answer.timing.batch_size <= 8
    assert not asked


def test_a_request_larger_than_a_batch_is_split_and_joined_again(
    start: Start, vectors: Vectors, expected: Expected
) -> None:
    worker, _ = start(max_batch_size=4)
    texts = [f"w{number}" for number in range(50)]
    worker.embed(*texts)
    answer = worker.receive()
    np.testing.assert_allclose(vectors(answer), [expected(text) for text in texts], atol=1e-6)
    assert answer.timing.batch_size == 4


def test_with_a_timer_requests_run_as_one_batch(start: Start) -> None:
    worker, _ = start(batch_wait_microseconds=30_000_000, max_batch_size=4)
    for number in range(4):
        worker.embed(f"w{number}")
    assert [worker.receive().timing.batch_size for _ in range(4)] == [4, 4, 4, 4]


def test_requests_of_one_batch_share_its_time_by_their_tokens(start: Start) -> None:
    worker, _ = start(batch_wait_microseconds=30_000_000, max_batch_size=4)
    worker.embed("w1 w2 w3 w4", "w1 w2 w3 w4", "w1 w2 w3 w4")
    worker.embed("w1 w2 w3 w4")
    large, small = sorted((worker.receive() for _ in range(2)), key=lambda each: each.id)
    whole = large.timing.run_microseconds
    assert whole == small.timing.run_microseconds, "each ran for as long as the batch"
    assert small.device_microseconds > 0
    assert large.device_microseconds == pytest.approx(3 * small.device_microseconds, abs=3)
    assert large.device_microseconds + small.device_microseconds == pytest.approx(whole, abs=3)


def test_every_answer_tells_where_its_time_went(start: Start, gates: object) -> None:
    worker, _ = start()
    worker.embed("w1 w2")
    timing = worker.receive().timing
    assert timing.tokenize_microseconds > 0
    assert timing.run_microseconds > 0
    assert timing.batch_size == 1


def test_a_refused_request_names_the_field_and_does_not_disturb_the_others(start: Start, message_of: Message) -> None:
    worker, _ = start()
    worker.embed("w1", " ".join(["w2"] * 63))
    worker.embed("w1")
    refused, served = worker.receive(), worker.receive()
    assert (refused.failure.reason, refused.failure.field) == ("invalid_input", "texts[1]")
    assert message_of(refused.failure) == "`texts[1]` has 65 tokens; the model takes at most 64"
    assert refused.has_timing
    assert served.kind == "embed"


def test_a_task_that_the_model_does_not_have_is_refused(start: Start) -> None:
    worker, _ = start("worker_doubles:SumBackend", task="")
    worker.embed("w1")
    assert worker.receive().failure.reason == "failed_precondition"


def _failure(reason: str, message: str, field: str = "") -> wire.Failure:
    """A failure whose sentence mentions no field."""
    return wire.Failure(reason=reason, sentence=[wire.SentencePiece(text=message)], field=field)


def one_batch_of(start: Start, *texts: str) -> tuple:
    """Four requests of one text each, run as one batch; the answers in the order asked."""
    worker, _ = start(FUSSY, batch_wait_microseconds=30_000_000, max_batch_size=4)
    ids = [worker.embed(text, request_id=f"request-{index}") for index, text in enumerate(texts)]
    answers = {frame.id: frame for frame in (worker.receive() for _ in texts)}
    return worker, [answers[frame_id] for frame_id in ids]


def test_a_batch_that_is_too_much_for_the_device_is_split_and_tried_again(start: Start, vectors: Vectors) -> None:
    worker, answers = one_batch_of(start, "crowd", "w1", "w2", "w3")
    assert [vectors(answer).shape for answer in answers] == [(1, 8)] * 4
    assert worker.log_lines("batch_failed")[0]["retried"] is True


@pytest.mark.parametrize("place", range(4))
def test_only_the_text_that_fails_by_itself_fails_its_request(start: Start, place: int) -> None:
    texts = ["w1", "w2", "w3", "w4"]
    texts[place] = "boom"
    worker, answers = one_batch_of(start, *texts)
    assert [answer.kind == "failure" for answer in answers] == [text == "boom" for text in texts]
    worker.embed("w1", "w2", "w3", "w4")
    assert worker.receive().kind == "embed"


def test_of_a_request_that_failed_with_the_first_half_of_a_batch_nothing_else_runs(
    start: Start, message_of: Message
) -> None:
    worker, _ = start(FUSSY, max_batch_size=4)
    worker.embed("boom", "w1", "w2", "w3")
    assert message_of(worker.receive().failure) == "the model failed to run"
    assert [line["batch_size"] for line in worker.log_lines("batch_failed")] == [4, 2, 1]


def test_the_text_of_an_engines_error_is_logged_with_the_request_and_never_sent(start: Start) -> None:
    worker, answers = one_batch_of(start, "boom", "w1", "w2", "w3")
    assert answers[0].failure == _failure("internal_error", "the model failed to run")
    line = worker.log_lines("batch_failed")[-1]
    assert line["request_ids"] == ["request-0"]
    assert "a text of the engine" in str(line["stack"])


def test_a_text_that_the_memory_does_not_suffice_for_fails_alone_and_names_the_limit(start: Start) -> None:
    worker, _ = start("worker_doubles:GreedyBackend")
    worker.embed("boom")
    assert worker.receive().failure == _failure(
        "internal_error", "the model needs more memory to run this than `workers.max_memory_bytes` leaves it"
    )
    worker.embed("w1")
    assert worker.receive().kind == "embed"


def test_an_engine_that_blames_the_input_is_believed(start: Start) -> None:
    _, answers = one_batch_of(start, "picky", "w1", "w2", "w3")
    assert answers[0].failure == _failure("invalid_input", "the engine refuses this input", "texts")


def test_a_vector_that_is_not_finite_is_an_error_of_its_request_alone(
    start: Start, vectors: Vectors, message_of: Message
) -> None:
    worker, answers = one_batch_of(start, "nan", "w1", "w2", "w3")
    assert answers[0].failure.reason == "internal_error"
    assert message_of(answers[0].failure) == "the model gave values that are not finite"
    assert all(np.isfinite(vectors(answer)).all() for answer in answers[1:])
    assert worker.log_lines("vector_not_finite")[0]["request_id"] == "request-0"


def test_a_failed_request_leaves_nothing_behind_in_the_queue(start: Start) -> None:
    worker, _ = start(FUSSY, max_batch_size=2)
    failed = worker.embed("boom", "boom", "w1", "w2", "w3", "w4")
    served = worker.embed("w1", "w2")
    assert [worker.receive().id for _ in range(2)] == [failed, served]
    worker.drain()
    assert worker.exit_code() == 0


@pytest.mark.parametrize("cancelled", ["waiting", "running"])
def test_a_cancelled_request_gets_no_answer(start: Start, gates, cancelled: str) -> None:
    worker, _ = start(GATE)
    running = worker.embed("stop")
    (gates / "stopped").read_text()
    waiting = worker.embed("w1")
    other = worker.embed("w2")
    gone = {"waiting": waiting, "running": running}[cancelled]
    worker.send(wire.ServerFrame(id=gone, cancel=wire.Cancel()))
    # A tokenize request is answered by the thread that read the cancel before it.
    fence = worker.request("tokenize", tokenize_pb2.TokenizeInput(texts=["w1"]))
    assert worker.receive().id == fence
    (gates / "go").write_text("\n")
    assert {worker.receive().id for _ in range(2)} == {running, waiting, other} - {gone}
    worker.drain()
    with pytest.raises(EOFError):
        worker.receive()


def test_cancelling_what_is_over_or_unknown_changes_nothing(start: Start) -> None:
    worker, _ = start()
    done = worker.embed("w1")
    worker.receive()
    for frame_id in (done, 999):
        worker.send(wire.ServerFrame(id=frame_id, cancel=wire.Cancel()))
    worker.embed("w1")
    assert worker.receive().kind == "embed"


def test_tensors_of_an_embed_model_run_beside_its_texts(start: Start) -> None:
    worker, _ = start()
    ids = np.array([[1, 5, 2]], dtype="<i8")
    work = tensors_pb2.TensorInput(
        inputs=[
            tensors_pb2.Tensor(name="input_ids", dtype="int64", shape=ids.shape, data=ids.tobytes()),
            tensors_pb2.Tensor(name="attention_mask", dtype="int64", shape=ids.shape, data=np.ones_like(ids).tobytes()),
        ]
    )
    (output,) = worker.ask("tensors", work).tensors.outputs
    hidden = np.frombuffer(output.data, output.dtype).reshape(output.shape)
    np.testing.assert_allclose(hidden[0, 1], np.sin(5.0 * np.arange(1, 9)), atol=1e-6)


def test_a_server_that_does_not_read_for_a_while_loses_nothing(start: Start) -> None:
    worker, _ = start()
    texts = [f"w{number % 200}" for number in range(2000)]
    asked = [worker.embed(*texts) for _ in range(24)]
    # Answered in full although the answers are several times what the socket holds.
    fence = worker.request("tokenize", tokenize_pb2.TokenizeInput(texts=["w1"]))
    answers = [worker.receive() for _ in range(25)]
    assert sorted(answer.id for answer in answers) == [*asked, fence]
    assert all(len(answer.embed.vectors) == 2000 * 8 * 4 for answer in answers if answer.id != fence)


def test_tokenize_gives_ids_tokens_and_places(start: Start) -> None:
    worker, _ = start()
    work = tokenize_pb2.TokenizeInput(texts=["w0 w1", ""], add_special_tokens=True)
    answer = worker.ask("tokenize", work)
    text, empty = answer.tokenize.texts
    assert list(text.tokens) == ["[CLS]", "w0", "w1", "[SEP]"]
    assert list(zip(text.starts, text.ends, strict=True)) == [(0, 0), (0, 2), (3, 5), (0, 0)]
    assert list(empty.tokens) == ["[CLS]", "[SEP]"]
    assert answer.timing.tokenize_microseconds > 0


def test_detokenize_joins_ids_and_names_an_id_outside_the_vocabulary(start: Start, message_of: Message) -> None:
    worker, _ = start()
    ids = list(worker.ask("tokenize", tokenize_pb2.TokenizeInput(texts=["w0 w1"])).tokenize.texts[0].ids)
    work = tokenize_pb2.DetokenizeInput(
        token_sequences=[tokenize_pb2.TokenSequence(ids=[1, *ids, 2])], skip_special_tokens=True
    )
    assert list(worker.ask("detokenize", work).detokenize.texts) == ["w0 w1"]
    work.token_sequences.add(ids=[9999])
    failure = worker.ask("detokenize", work).failure
    assert failure.field == "token_sequences[1]"
    assert message_of(failure) == "`token_sequences[1]` has the id 9,999; the model's vocabulary ends at 213"


def test_the_log_holds_no_text_of_a_request(start: Start) -> None:
    worker, answers = one_batch_of(start, "boom w77", "nan w78", "w79", "w80")
    assert len(answers) == 4
    assert not any(f"w{number}" in worker.log() for number in (77, 78, 79, 80))
