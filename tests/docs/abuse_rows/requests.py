"""How requests are written, and the numbers and texts in them."""

from __future__ import annotations

#: The abuse, what is answered over gRPC and over HTTP, and the tests.
ROWS: dict[int, tuple[str, str, list[str]]] = {
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
}
