"""Who calls, and for what."""

from __future__ import annotations

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
}
