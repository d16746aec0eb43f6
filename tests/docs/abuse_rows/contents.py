"""Files, addresses, templates, schemas and other contents that work against their reader."""

from __future__ import annotations

#: The abuse, what is answered over gRPC and over HTTP, and the tests.
ROWS: dict[int, tuple[str, str, list[str]]] = {
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
}
