"""Parts that die, models that cannot be had, and what the log and the answers tell."""

from __future__ import annotations

#: The abuse, what is answered over gRPC and over HTTP, and the tests.
ROWS: dict[int, tuple[str, str, list[str]]] = {
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
