"""What happens to each abuse that Panope is built against, and which tests show it.

Where an abuse can come over gRPC, REST and gRPC-Web, each of them has a test.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

#: The abuse, what is answered over gRPC and over HTTP, and the tests.
ROWS: dict[int, tuple[str, str, list[str]]] = {
    1: (
        "a call without a key, or with one that is wrong, revoked or over",
        "UNAUTHENTICATED, 401, for every method and path alike",
        [
            "e2e/test_keys::test_no_method_answers_raw_grpc_without_a_key_that_may",
            "e2e/test_keys::test_no_route_answers_json_without_a_key_that_may",
            "server/transport/interceptors/test_chain::test_who_sends_no_good_key_is_told_how_to_come_in",
        ],
    ),
    2: (
        "a good key, for a model that it does not see",
        "NOT_FOUND, 404, as of a model that there is not",
        [
            "server/runtime/authorized/test_visibility::test_what_a_caller_does_not_see_is_refused_alike_and_not_looked_up",
            "e2e/test_keys::test_a_model_that_a_key_does_not_see_is_one_that_there_is_not_by_every_protocol",
        ],
    ),
    3: (
        "a good key, for what only others may do",
        "PERMISSION_DENIED, 403, and a line in the audit log",
        [
            (
                "server/transport/interceptors/test_chain::"
                "test_a_caller_that_is_known_may_call_only_what_its_scopes_name_and_somebody_decided_on"
            ),
            "e2e/test_keys::test_what_is_changed_and_what_is_refused_stands_in_the_audit_log",
        ],
    ),
    4: (
        "a thousand wrong keys from one address",
        "RESOURCE_EXHAUSTED, 429, before the database is asked",
        ["server/access/test_key_access::test_wrong_keys_of_one_address_are_refused_before_the_registry_is_asked"],
    ),
    5: (
        "raw gRPC and gRPC-Web through Envoy to what is not for callers",
        "UNIMPLEMENTED, 404",
        [
            "server/transport/rest/test_edge::test_services_that_are_not_listed_are_not_reached",
            "server/transport/rest/test_grpc_web::test_what_is_not_for_callers_is_not_reached",
            "e2e/test_keys::test_keys_are_managed_on_the_admin_port_and_reached_by_nobody_through_envoy",
        ],
    ),
    6: (
        "JSON to the path of a gRPC method",
        "404",
        ["server/transport/rest/test_edge::test_json_to_the_path_of_a_grpc_method_is_404"],
    ),
    7: (
        "bytes that are no message",
        "INVALID_ARGUMENT without the parser's words",
        [
            "e2e/test_bad_input::test_bytes_that_are_no_protobuf_are_refused",
            "server/transport/test_errors::test_malformed_protobuf_inside_a_stream_is_the_callers_fault",
            "server/transport/rest/test_grpc_web::test_bytes_that_are_no_message_are_an_invalid_argument",
        ],
    ),
    8: (
        "fields of a message that nobody knows",
        "passed over, as proto3 has it; what is required is still asked for",
        ["e2e/test_bad_input::test_a_bad_embed_request_is_refused_by_field_over_grpc"],
    ),
    9: (
        "a message or body past the limit",
        "INVALID_ARGUMENT with the limit, 413",
        [
            "e2e/test_bad_input::test_a_message_over_the_limit_is_refused_over_grpc",
            "server/transport/rest/test_bad_input::test_a_body_over_the_limit_is_413",
            "server/transport/rest/test_grpc_web::test_a_message_that_is_too_large_is_an_invalid_argument",
        ],
    ),
    10: (
        "a small gRPC message that gzip makes large",
        "RESOURCE_EXHAUSTED; it is never whole in memory",
        ["server/transport/test_wire::test_a_message_that_grows_without_end_when_it_is_unpacked_is_refused"],
    ),
    11: (
        "a compressed body over HTTP",
        "415",
        ["server/transport/rest/test_wire::test_compressed_requests_are_415"],
    ),
    12: (
        "JSON that is nested without end",
        "INVALID_ARGUMENT, 400",
        [
            "server/transport/rest/test_bad_input::test_json_that_is_nested_without_end_is_refused",
            "server/transport/rest/panope/test_panope::test_a_value_that_is_nested_too_deeply_is_refused",
            "server/transport/rest/generation/test_fields::test_a_schema_that_is_nested_too_deeply_is_refused",
        ],
    ),
    13: (
        "JSON that is not UTF-8",
        "400, without the bytes",
        [
            "server/transport/rest/test_bad_input::test_a_wrong_body_is_400_or_404_and_named",
            "server/transport/rest/generation/test_fields::test_a_body_that_is_not_utf8_is_refused_wherever_it_is_not",
        ],
    ),
    14: (
        "whole numbers past what a field holds",
        "INVALID_ARGUMENT, 400, by the field's name",
        [
            "e2e/test_integers::test_a_number_in_a_body_is_honoured_or_refused_as_the_callers",
            "e2e/test_integers::test_an_integer_of_a_message_is_honoured_or_refused_as_the_callers",
        ],
    ),
    15: (
        "headers that are too long or too many",
        "431",
        ["server/transport/rest/test_edge::test_broken_http_is_refused"],
    ),
    16: (
        "headers that come slowly",
        "408",
        ["envoy/test_limits::test_a_request_that_is_not_sent_in_time_is_408"],
    ),
    17: (
        "a body or message that comes slowly",
        "408; DEADLINE_EXCEEDED over gRPC",
        [
            "envoy/test_limits::test_a_request_that_is_not_sent_in_time_is_408",
            "server/transport/interceptors/test_arrival::test_a_message_that_does_not_come_ends_its_call",
        ],
    ),
    18: (
        "two lengths of one body, chunks that are none, no Host",
        "400, and the connection is closed",
        ["server/transport/rest/test_edge::test_broken_http_is_refused"],
    ),
    19: (
        "dots, percent signs and NULs in a model's path or name",
        "400 or 404; INVALID_ARGUMENT",
        [
            "server/transport/rest/test_routes::test_a_path_that_hides_something_finds_no_model",
            "registry/test_names::test_other_names_are_refused_by_the_field",
            "registry/test_names::test_an_accepted_path_stays_inside_on_every_system",
        ],
    ),
    20: (
        "a query that sets other fields",
        "400",
        [
            "server/transport/rest/test_routes::test_an_unknown_query_parameter_is_refused_by_name",
            "server/transport/rest/test_routes::test_a_query_cannot_change_the_body_or_the_model",
        ],
    ),
    21: (
        "numbers of answers, tokens, log-probabilities out of their range",
        "INVALID_ARGUMENT, 400, by the field's name",
        [
            "e2e/generation/test_abuse::test_a_number_out_of_its_range_is_refused_by_name",
            "server/tasks/generate/test_generate_task::test_a_value_outside_its_range_is_refused_by_the_field_s_name",
        ],
    ),
    22: (
        "temperatures that are no numbers",
        "INVALID_ARGUMENT, 400",
        [
            "e2e/generation/test_abuse::test_a_temperature_that_is_no_number_is_refused",
            "e2e/generation/test_abuse::test_a_temperature_that_is_no_number_is_refused_over_grpc",
        ],
    ),
    23: (
        "a prompt longer than the context",
        "INVALID_ARGUMENT, 400, with the numbers",
        [
            "e2e/generation/test_generation::test_a_prompt_that_is_too_long_is_refused_with_the_reason",
            (
                "backends/tasks/generate/test_answers::"
                "test_a_prompt_that_is_too_long_is_refused_with_the_numbers_or_cut_where_that_is_asked_for"
            ),
        ],
    ),
    24: (
        "a prompt of megabytes of one character",
        "INVALID_ARGUMENT, 400, before tokens are made",
        ["e2e/generation/test_abuse::test_a_prompt_of_10_megabytes_is_refused_before_it_is_read_into_tokens"],
    ),
    25: (
        "thousands of texts in a call",
        "INVALID_ARGUMENT, 400, with the limit",
        [
            "server/pipeline/test_validate::test_what_no_model_could_run_is_refused_by_field_and_limit",
            "e2e/test_bad_input::test_too_much_text_is_refused_with_the_limit_over_rest",
        ],
    ),
    26: (
        "tensors whose shape is not their bytes",
        "INVALID_ARGUMENT, 400",
        [
            "server/pipeline/test_validate::test_a_tensor_passes_exactly_when_its_bytes_fit_its_shape",
            "server/pipeline/test_validate::test_no_shape_however_large_overflows_into_acceptance",
            "e2e/test_bad_input::test_tensors_that_do_not_fit_are_refused_by_field_over_grpc",
        ],
    ),
    28: (
        "names of inputs or outputs that come twice",
        "INVALID_ARGUMENT, 400",
        [
            "backends/worker/test_tensors::test_outputs_that_are_unknown_or_named_twice_are_refused",
            "server/pipeline/test_validate::test_what_no_model_could_run_is_refused_by_field_and_limit",
        ],
    ),
    29: (
        "an image, or a page of a document, that is small as a file and large in memory",
        "INVALID_ARGUMENT, 400, by its header alone, or when a page takes more time or memory than it may",
        [
            "backends/media/test_images::test_a_bomb_is_refused_by_its_header",
            (
                "backends/media/test_pdf::"
                "test_a_page_that_is_too_large_is_refused_whether_it_is_drawn_or_its_text_is_told"
            ),
            "backends/media/test_pdf::test_a_page_that_takes_too_much_is_refused_and_the_next_one_is_read",
            "e2e/vision/test_ocr::test_pages_that_take_too_much_fail_alone_while_others_are_read",
        ],
    ),
    30: (
        "what is broken, or no image",
        "INVALID_ARGUMENT, 400, without the library's words",
        [
            "backends/media/test_images::test_a_truncated_file_is_refused",
            "backends/media/test_images::test_what_is_no_image_is_refused_by_name",
            "backends/media/test_pdf::test_what_cannot_be_opened_is_refused_by_name",
        ],
    ),
    31: (
        "an address in the place of an image",
        "INVALID_ARGUMENT, 400; nothing is fetched but from hosts that the settings list",
        [
            "backends/media/test_images::test_what_is_no_data_url_is_refused",
            "server/runtime/test_media_files::test_without_the_setting_nothing_is_fetched",
            "server/runtime/test_media_files::test_a_name_that_leads_inside_is_not_called",
            "server/runtime/test_media_files::test_a_redirect_is_checked_as_the_first_url_is",
            "server/runtime/test_media_files::test_a_file_that_is_too_large_is_given_up",
            "server/runtime/test_media_files::test_a_host_that_drips_is_given_up_in_time",
        ],
    ),
    32: (
        "an address that two readers read differently",
        "INVALID_ARGUMENT, 400: none is read at all",
        [
            "backends/media/test_images::test_what_is_no_data_url_is_refused",
            "server/runtime/test_media_files::test_a_url_that_leads_elsewhere_than_it_seems_is_refused_and_nobody_is_called",
            "server/runtime/test_media_files::test_a_name_is_looked_up_once_for_a_connection",
        ],
    ),
    33: (
        "values for a chat template that it does not read",
        "INVALID_ARGUMENT, 400",
        [
            "e2e/generation/test_abuse::test_a_caller_sets_nothing_of_the_template_but_what_it_reads",
            "backends/tasks/generate/test_templates::test_only_values_that_the_template_reads_may_be_set",
        ],
    ),
    34: (
        "a hostile template of a model",
        "FAILED_PRECONDITION or the call's own failure; the next is answered",
        [
            "backends/tasks/generate/test_templates::test_a_template_reaches_nothing_of_python",
            (
                "backends/tasks/generate/test_templates::"
                "test_a_template_that_takes_too_long_is_ended_and_the_next_conversation_is_answered"
            ),
        ],
    ),
    35: (
        "a hostile schema, expression or grammar",
        "INVALID_ARGUMENT, 400, for that call alone",
        [
            "e2e/generation/test_abuse::test_a_schema_that_cannot_be_compiled_is_refused_and_fetches_nothing",
            "e2e/generation/test_abuse::test_a_hostile_expression_is_refused_or_costs_little",
            (
                "backends/generation/grammar/test_refused_grammars::"
                "test_a_grammar_that_takes_too_long_is_refused_and_holds_nothing_up"
            ),
        ],
    ),
    36: (
        "a thousand stop sequences, or one of a megabyte",
        "INVALID_ARGUMENT, 400, by the field's name",
        ["server/tasks/generate/test_generate_task::test_a_value_outside_its_range_is_refused_by_the_field_s_name"],
    ),
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
            "server/pipeline/test_deadline::test_a_call_whose_deadline_has_passed_is_never_forwarded",
            "server/pipeline/test_deadline::test_a_calendar_that_jumps_ends_no_call_and_keeps_none",
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
    45: (
        "a worker that is killed within a request",
        "UNAVAILABLE, 503, at once; it comes back",
        ["e2e/operations/test_failures::test_kill_9_of_a_worker_under_load_fails_its_calls_at_once_and_it_comes_back"],
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
            "e2e/models/test_registry::test_a_registered_model_is_fetched_by_the_first_call_and_served",
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
    49: (
        "a model of a vendor that is not allowed, of pickles alone, or without hashes",
        "FAILED_PRECONDITION or PERMISSION_DENIED, 400 or 403; nothing is fetched",
        [
            "registry/inspect/test_inspect::test_a_folder_with_pickles_alone_is_refused_by_their_names",
            "registry/ingest/test_refusals::test_a_large_file_without_a_sha256",
        ],
    ),
    50: (
        "a hub that gives other bytes than it promised",
        "DATA_LOSS; nothing of them stays",
        ["registry/download/test_refusing::test_twice_another_file_is_data_loss_and_nothing_of_it_stays"],
    ),
    51: (
        "a disk that fills up during a download or an import",
        "RESOURCE_EXHAUSTED; nothing half is seen, and the job goes on later",
        [
            (
                "registry/download/test_space::"
                "test_a_disk_that_fills_up_meanwhile_leaves_no_half_blob_and_the_download_goes_on_later"
            ),
            "registry/ingest/test_import::test_a_full_disk_changes_nothing_and_is_said_to_be_full",
        ],
    ),
    52: (
        "a database that is away",
        "models go on to answer; known keys for a minute, unknown ones UNAVAILABLE, 503",
        [
            (
                "server/access/test_key_access::"
                "test_known_keys_outlast_the_database_for_a_minute_and_unknown_ones_are_no_wrong_ones"
            ),
        ],
    ),
    53: (
        "an idempotency key that comes again, with another request",
        "INVALID_ARGUMENT, 400",
        ["server/generation_jobs/test_idempotency::test_the_key_of_another_request_is_refused"],
    ),
    54: (
        "made-up names of models and methods",
        "no series and no rows of their own",
        ["e2e/operations/test_admin::test_unknown_models_do_not_become_series"],
    ),
    55: (
        "line ends and terminal codes in names and ids",
        "refused, or shown as one printable line",
        [
            "registry/test_names::test_what_is_shown_is_one_printable_line",
            "server/transport/rest/test_edge::test_a_missing_or_malformed_request_id_is_replaced_everywhere",
        ],
    ),
    56: (
        "a page of another site that posts to a server without keys",
        "PERMISSION_DENIED, 403, 415",
        [
            "e2e/test_bad_input::test_a_page_of_another_site_cannot_post_without_asking_first",
            "server/transport/rest/test_edge::test_a_rebound_name_is_refused_for_grpc_too",
            "server/transport/rest/test_grpc_web::test_a_page_that_was_rebound_is_refused",
        ],
    ),
    57: (
        "a defect of ours",
        "INTERNAL, 500, with the request's id alone",
        [
            "server/transport/test_errors::test_an_unexpected_exception_reaches_the_caller_as_a_request_id_alone",
            "server/transport/rest/test_bad_input::test_a_defect_tells_its_request_id_and_nothing_else",
        ],
    ),
    58: (
        "calls while the server ends",
        "accepted ones are answered; UNAVAILABLE, 503, for others",
        [
            "e2e/operations/test_stopping::test_no_accepted_call_is_lost_and_what_stays_open_holds_nothing_up",
            "e2e/operations/test_failures::test_sigterm_lets_a_running_call_end_and_leaves_nothing_behind",
        ],
    ),
}

#: Rows about what Panope does not have.
NOT_HERE = {
    27: "tensors of texts have no length prefixes: they are lists of texts",
}


def test_every_row_has_tests_or_concerns_what_is_not_here() -> None:
    assert sorted([*ROWS, *NOT_HERE]) == list(range(1, 59))


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_of_a_row_are_there(row: int) -> None:
    for name in ROWS[row][2]:
        file, _, function = name.partition("::")
        source = (TESTS / f"{file}.py").read_text()
        assert re.search(rf"^(async )?def {function}\(", source, re.MULTILINE), name
