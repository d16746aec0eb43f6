"""What happens to abuse of a queue, a stream, a connection and a worker, and which tests show each.

Rows are numbered as in the list of abuses that Panope is built against; those before and after stand under their own
names in the tests of bad input, of the edge and of the registry.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

#: The abuse, what is answered over gRPC and over HTTP, and the tests.
ROWS: dict[int, tuple[str, str, list[str]]] = {
    36: (
        "a thousand stop sequences, or one of a megabyte",
        "INVALID_ARGUMENT, 400, by the field's name",
        ["server/tasks/generate/test_generate_task::test_a_value_outside_its_range_is_refused_by_the_field_s_name"],
    ),
    37: (
        "a full queue",
        "RESOURCE_EXHAUSTED with RetryInfo, 429 with retry-after-ms, at once",
        [
            "e2e/test_failures::test_a_full_queue_is_refused_at_once_with_the_time_to_come_back",
            (
                "server/runtime/instances/queue/test_queue::"
                "test_a_full_queue_refuses_by_texts_or_by_bytes_and_says_when_to_come_back"
            ),
        ],
    ),
    38: (
        "a deadline that has passed, or is sooner than the queue allows",
        "DEADLINE_EXCEEDED, 504, never queued",
        [
            "server/pipeline/test_deadline::test_a_call_whose_deadline_has_passed_is_never_forwarded",
            (
                "server/runtime/instances/queue/test_estimate::"
                "test_a_call_whose_deadline_is_sooner_than_the_model_can_answer_never_waits"
            ),
        ],
    ),
    39: (
        "a client that goes while its call is queued",
        "CANCELLED, 499, in no batch",
        [
            "server/runtime/instances/queue/test_queue::test_entries_whose_caller_has_gone_are_dropped_and_free_their_room",
            (
                "server/runtime/models/test_model::"
                "test_a_call_that_is_given_up_frees_its_place_in_the_worker_and_in_the_queue"
            ),
        ],
    ),
    40: (
        "a client that goes while its answer streams",
        "CANCELLED, 499; the worker is told and its tokens are counted",
        [
            "server/transport/grpc/test_streams::test_leaving_a_stream_cancels_what_runs",
            "e2e/test_remote::test_grpc_streams_it_and_a_caller_who_goes_ends_it_there",
        ],
    ),
    41: (
        "a slow reader of a stream",
        "the stream waits and no other does; one that never reads is ended",
        [
            "server/runtime/test_generate::test_a_slow_reader_loses_nothing_and_holds_nobody_up",
            "server/transport/grpc/test_generate::test_a_caller_that_goes_and_one_that_does_not_read_end_the_call",
        ],
    ),
    42: (
        "one key that floods",
        "RESOURCE_EXHAUSTED, 429, for that key; others have their turns",
        [
            "server/runtime/instances/queue/test_caller_turns::test_one_callers_thousand_calls_let_anothers_one_pass",
            (
                "server/runtime/instances/queue/test_caller_turns::"
                "test_a_caller_that_fills_the_queue_makes_room_for_one_that_has_less_and_for_none_that_has_as_much"
            ),
        ],
    ),
    43: (
        "ten thousand idle connections",
        "they cost memory alone at the gRPC port, and make room at Envoy's and at the admin port",
        [
            "e2e/test_idle_connections::test_ten_thousand_idle_connections_keep_nobody_out",
            "envoy/test_limits::test_idle_connections_make_room_before_none_is_left",
        ],
    ),
    44: (
        "streams that are opened and reset",
        "the connection is closed",
        ["envoy/test_limits::test_a_connection_that_cancels_what_it_asks_for_is_closed"],
    ),
    45: (
        "a worker that is killed within a request",
        "UNAVAILABLE, 503, at once; it comes back",
        ["e2e/test_failures::test_kill_9_of_a_worker_under_load_fails_its_calls_at_once_and_it_comes_back"],
    ),
    46: (
        "a worker that hangs",
        "UNAVAILABLE, 503, when the watchdog has killed it",
        [
            "server/runtime/models/test_lost_workers::test_a_worker_that_hangs_is_killed_and_replaced",
            "server/runtime/models/test_lost_workers::test_a_worker_that_hangs_while_it_makes_tokens_is_killed_and_replaced",
        ],
    ),
    47: (
        "a model that is not loaded, is loading, or has failed",
        "UNAVAILABLE with RetryInfo, 503; FAILED_PRECONDITION, 400, with the reason for good",
        [
            "e2e/test_registry::test_a_registered_model_is_fetched_by_the_first_call_and_served",
            "server/runtime/models/test_model::test_a_model_that_no_worker_can_load_fails_as_the_last_way_did",
        ],
    ),
    48: (
        "a model that there is not",
        "NOT_FOUND, 404, `model_not_found`",
        [
            "server/transport/rest/openai/test_openai::test_the_client_understands_an_unknown_model",
            "server/transport/rest/test_grpc_web::test_an_unknown_model_is_not_found",
        ],
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_of_a_row_are_there(row: int) -> None:
    for name in ROWS[row][2]:
        file, _, function = name.partition("::")
        source = (TESTS / f"{file}.py").read_text()
        assert re.search(rf"^(async )?def {function}\(", source, re.MULTILINE), name
