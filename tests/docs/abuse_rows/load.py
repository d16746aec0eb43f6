"""Too many calls, slow ones, and those that nobody waits for."""

from __future__ import annotations

#: The abuse, what is answered over gRPC and over HTTP, and the tests.
ROWS: dict[int, tuple[str, str, list[str]]] = {
    37: (
        "a full queue",
        "RESOURCE_EXHAUSTED with RetryInfo, 429 with retry-after-ms, at once",
        [
            "e2e/operations/test_failures::test_a_full_queue_is_refused_at_once_with_the_time_to_come_back",
            "server/transport/rest/test_grpc_web::test_an_overload_tells_pages_when_to_come_back",
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
            "server/pipeline/deadline/test_deadline::test_a_call_whose_deadline_has_passed_is_never_forwarded",
            "server/pipeline/deadline/test_deadline::test_a_calendar_that_jumps_ends_no_call_and_keeps_none",
            "server/transport/rest/test_edge::test_a_deadline_that_passes_is_504_and_not_tried_again",
            "server/transport/rest/test_grpc_web::test_the_deadline_of_a_page_reaches_the_pipeline",
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
            "server/transport/rest/test_edge::test_a_caller_that_goes_away_frees_its_place_at_once",
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
            "e2e/generation/test_abuse::test_clients_that_leave_in_the_queue_in_prefill_and_in_decode_free_their_places",
            "e2e/models/test_remote::test_grpc_streams_it_and_a_caller_who_goes_ends_it_there",
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
            "e2e/operations/test_idle_connections::test_ten_thousand_idle_connections_keep_nobody_out",
            "envoy/test_limits::test_idle_connections_make_room_before_none_is_left",
        ],
    ),
    44: (
        "streams that are opened and reset; a flood of pings",
        "the connection is closed",
        [
            "envoy/test_limits::test_a_connection_that_cancels_what_it_asks_for_is_closed",
            "server/transport/test_wire::test_a_flood_of_pings_ends_its_connection_and_no_other",
        ],
    ),
}
