"""What may go wrong with upstreams, readers, clients, disk, process and CA: each fault by its number, and its tests.

A fault without a test says why. The numbers are those of the plan of faults; those that are missing belong to others.
"""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Shown:
    """Tests that inject the fault, each as `file::name` below `tests/`."""

    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotHere:
    """Why no test can inject it, or why nothing acts on it yet."""

    reason: str


Proof = Shown | NotHere


def by(*tests: str) -> Shown:
    return Shown(tests)


ANY_FAULT = "upstream/test_faults.py::test_what_is_no_whole_answer_is_a_failure"
ANY_ANSWER = "upstream/test_faults.py::test_a_whole_answer_arrives_as_it_was_sent"
NO_TLS = "upstream/test_dialling.py::test_tls_failures_name_the_host_and_send_nothing"
RESUMED = "cache/test_fill.py::test_a_body_that_breaks_off_goes_on_with"
CALLERS = "cache/test_callers.py::"
RECHECK = "cache/test_recheck.py::"
DAMAGED = "store/test_content.py::test_content_whose_file_is_not_whole_is_a_miss_and_can_be_stored_again"

UPSTREAM: dict[tuple[int, str], Proof] = {
    (1, "connect refused"): by(
        "upstream/test_dialling.py::test_a_refused_connection_says_so",
        "upstream/test_admission.py::test_a_registry_that_is_not_there_is_tried_again_and_then_left_alone",
        "e2e/test_outage.py::test_a_cold_image_fails_soon_and_the_client_names_upstream_and_cause",
    ),
    (2, "connect blackhole"): by(
        "e2e/test_outage.py::test_an_upstream_that_swallows_packets_is_given_up_soon",
        "upstream/test_transfer.py::test_a_transfer_that_hangs_in_connect_is_given_up_as_soon",
    ),
    (3, "TLS never answers"): by("upstream/test_dialling.py::test_tls_that_never_answers_is_a_timeout"),
    (4, "bad certificate"): by(NO_TLS),
    (5, "TLS 1.1 only"): by(NO_TLS),
    (6, "no first byte"): by(
        ANY_FAULT, "cache/test_tags.py::test_a_slow_registry_is_waited_for_two_seconds_and_then_answered_for"
    ),
    (7, "body stalls"): by(ANY_FAULT, "cache/test_fill.py::test_a_body_without_progress_is_given_up_and_goes_on"),
    (8, "100 B/s trickle"): by("cache/test_fill.py::test_a_body_without_progress_is_given_up_and_goes_on"),
    (9, "RST in the body"): by(RESUMED, "e2e/test_faults.py::test_a_body_that_breaks_is_resumed"),
    (10, "FIN short of Content-Length"): by(ANY_FAULT, "e2e/test_faults.py::test_a_body_that_breaks_is_resumed"),
    (11, "close-delimited body cut"): by(
        "e2e/test_fanout.py::test_a_truncated_body_that_the_close_delimits_is_never_stored",
        "upstream/test_dialling.py::test_a_truncated_tls_stream_is_no_end_of_body",
    ),
    (12, "header cut in a line"): by(ANY_FAULT),
    (13, "chunks without the last"): by(ANY_FAULT),
    (14, "bytes beyond Content-Length"): by(ANY_ANSWER),
    (15, "two lengths"): by(ANY_FAULT),
    (16, "Content-Length and Transfer-Encoding"): by(
        "upstream/test_head.py::test_lines_become_one_final_head",
        "cache/test_fill.py::test_encodings_that_nobody_asked_for_change_no_byte",
    ),
    (17, "garbage, HTTP/0.9"): by(ANY_FAULT),
    (18, "flood of 1xx"): by(ANY_FAULT),
    (19, "1 MiB of header"): by(ANY_FAULT),
    (20, "kept connection closed between requests"): by(
        "upstream/test_dialling.py::test_a_stale_pooled_connection_is_replaced_without_a_word"
    ),
    (21, "address changes"): NotHere("needs a name server of our own; libcurl ends a connection after ten minutes"),
    (22, "name does not resolve"): by("upstream/test_dialling.py::test_a_name_that_does_not_resolve_is_dns"),
    (23, "rebinding to a closed address"): by(
        "upstream/test_dialling.py::test_a_dialled_address_is_judged_whatever_the_name"
    ),
    (24, "IPv6 blackholed, IPv4 fine"): NotHere("needs a network name space; happy eyeballs are libcurl's own"),
    (25, "one byte a packet"): by(ANY_ANSWER),
    (26, "storm of 500"): by(
        "upstream/test_breaker.py::test_retries_are_a_tenth_of_the_requests_in_the_long_run",
        "e2e/test_faults.py::test_a_limit_on_a_warm_tag_is_absorbed",
        "cache/test_tags.py::test_an_outage_is_survived_for_the_stated_time_and_no_longer",
    ),
    (27, "503 with Retry-After"): NotHere(
        "a 503 is passed on or answered for by `stale if-error`; only a 429's Retry-After is waited for"
    ),
    (28, "429 with odd Retry-After"): by(
        "upstream/test_ratelimit.py::test_how_long_to_wait_is_obeyed_within_reason",
        "upstream/test_quota.py::test_a_hold_lasts_as_long_as_was_asked_for",
    ),
    (29, "429 without Retry-After"): by(
        "upstream/test_quota.py::"
        "test_without_a_word_from_the_registry_each_probe_doubles_the_wait_up_to_a_quarter_of_an_hour"
    ),
    (30, "401 in the middle of a pull"): by(
        "upstream/test_session.py::test_an_expired_token_is_replaced_once",
    ),
    (31, "401 for ever"): by("upstream/test_session.py::test_a_401_for_ever_is_the_answer_after_one_more_try"),
    (32, "403 or 404 for what is cached and private"): by(
        CALLERS + "test_a_revoked_user_is_refused_after_recheck",
        CALLERS + "test_a_404_to_a_stranger_takes_nothing_from_who_may_read",
        CALLERS + "test_a_tag_that_its_reader_hears_is_gone_is_not_served_in_an_outage",
        "cache/test_lending.py::"
        "test_once_the_credential_is_refused_public_pulls_go_on_stored_ones_are_stale_and_the_rest_says_why",
    ),
    (33, "other bytes than the digest"): by(
        "e2e/test_fanout.py::test_wrong_bytes_reach_nobody_whole_are_not_stored_and_are_counted",
        "cache/test_contents.py::test_a_manifest_is_verified_before_its_first_byte",
    ),
    (34, "Docker-Content-Digest lies"): by(
        "cache/test_tags.py::test_a_registry_that_names_another_digest_than_its_bytes_is_not_believed"
    ),
    (35, "tag moves between HEAD and GET"): by(
        "cache/test_tags.py::test_a_head_stays_a_head_and_the_get_after_it_goes_by_digest"
    ),
    (36, "manifest of two meanings"): by(
        "cache/test_contents.py::test_a_manifest_that_may_be_read_in_two_ways_is_refused_and_not_stored"
    ),
    (37, "manifest of 4 MiB and a byte"): by(
        "cache/test_contents.py::test_a_manifest_larger_than_4_mib_passes_by_verified"
    ),
    (38, "gzip unasked"): by(ANY_ANSWER, "cache/test_fill.py::test_encodings_that_nobody_asked_for_change_no_byte"),
    (39, "gzip bomb"): by("cache/test_fill.py::test_encodings_that_nobody_asked_for_change_no_byte"),
    (40, "206 to a plain GET"): by("cache/test_fill.py::test_a_part_where_the_whole_was_asked_for_is_no_answer"),
    (41, "416 or another range on resuming"): by(RESUMED),
    (42, "all instead of the rest"): by(RESUMED),
    (43, "redirect loop"): by(
        "e2e/test_faults.py::test_a_redirect_loop_ends_in_502",
        "upstream/test_session_redirects.py::test_a_redirect_that_leads_nowhere_good_is_a_failure",
    ),
    (44, "redirect to what is no https URL"): by(
        "upstream/test_redirects.py::test_a_bad_target_is_a_failure_that_says_why"
    ),
    (45, "redirect to a closed address"): by(
        "e2e/test_connect.py::test_a_redirect_to_a_closed_address_is_not_followed"
    ),
    (46, "what a CDN is told"): by(
        "upstream/test_session_redirects.py::test_a_redirect_is_followed_without_credentials"
    ),
    (47, "signed link expires in the middle"): by(
        "cache/test_fill.py::test_an_expired_link_to_a_cdn_is_asked_for_anew_at_the_registry"
    ),
    (48, "Set-Cookie, Alt-Svc, HSTS, loops"): by(
        "cache/test_contents.py::test_what_an_upstream_says_to_browsers_reaches_no_client",
        "e2e/test_connect.py::test_the_proxy_does_not_connect_to_itself",
    ),
    (49, "slow layer, fifty clients"): by(
        "e2e/test_fanout.py::test_a_hundred_cold_clients_of_one_large_layer_are_one_transfer",
        "e2e/test_fanout.py::test_a_layer_of_twelve_seconds_is_fetched_once_for_three_clients",
    ),
    (50, "the leader fails, the followers do not"): by(
        "e2e/test_fanout.py::test_a_reset_at_three_fifths_is_seen_by_no_client"
    ),
}

MATRIX = "cache/test_matrix.py::test_nothing_private_reaches_who_may_not_read_it"

TOKENS = "upstream/test_tokens.py::"
NO_REALM = "upstream/test_authenticate.py::test_any_other_realm_is_refused_and_named"
LENDING = "cache/test_lending.py::"

READERS: dict[tuple[int, str], Proof] = {
    (51, "realm of an attacker"): by(
        NO_REALM,
        TOKENS + "test_a_realm_that_breaks_the_rules_is_never_asked",
        "upstream/test_broker.py::test_no_credential_goes_to_a_realm_that_the_policy_does_not_list",
    ),
    (52, "realm without TLS, by address, with a user or another port"): by(NO_REALM),
    (53, "the realm redirects"): by(
        TOKENS + "test_a_token_service_that_answers_nonsense_is_a_credential_failure",
        "upstream/test_broker.py::test_no_redirect_takes_a_credential_along",
    ),
    (54, "a token that is huge, deep, no text, or has line ends"): by(
        TOKENS + "test_what_is_no_usable_token_is_refused",
        TOKENS + "test_a_token_service_that_answers_nonsense_is_a_credential_failure",
    ),
    (55, "odd lifetimes of tokens"): by(TOKENS + "test_a_token_and_its_lifetime_are_read"),
    (56, "a hundred misses, no token"): by(
        "upstream/test_session.py::test_a_hundred_misses_at_once_ask_for_one_token",
        "upstream/test_broker.py::test_an_account_proves_itself_once_for_a_hundred_requests",
    ),
    (57, "another caller, with a bad token"): by(
        MATRIX, CALLERS + "test_who_may_not_read_gets_no_byte_of_what_another_may"
    ),
    (58, "a digest of another repository"): by(
        MATRIX, CALLERS + "test_a_digest_of_one_repository_opens_nothing_under_another"
    ),
    (59, "a private fill is joined"): by(MATRIX, CALLERS + "test_who_joins_a_fill_under_way_shows_first_that_it_may"),
    (60, "upstream down, a caller nobody knows"): by(
        MATRIX,
        CALLERS + "test_an_outage_of_registry_and_tokens_is_not_noticed_by_who_is_known_and_the_unknown_hear_why",
    ),
    (61, "upstream down, a public repository"): by(
        MATRIX, CALLERS + "test_a_login_does_not_make_a_public_image_dearer"
    ),
    (62, "public becomes private"): by(
        MATRIX,
        RECHECK + "test_a_repository_that_turned_private_is_closed_to_strangers_after_recheck",
        CALLERS + "test_a_repository_that_becomes_private_is_closed_to_strangers_once_it_is_asked_about",
    ),
    (63, "HEAD and Range without a right to it"): by(
        MATRIX,
        CALLERS + "test_a_range_or_a_condition_opens_nothing_either",
        CALLERS + "test_who_may_not_read_gets_no_byte_of_what_another_may",
    ),
    (64, "a forged token"): by(MATRIX, CALLERS + "test_who_may_not_read_gets_no_byte_of_what_another_may"),
    (65, "a credential, and a client that it is not lent to"): by(
        LENDING + "test_what_a_credential_read_is_served_to_those_it_is_lent_to_and_to_nobody_else",
        LENDING + "test_a_restart_keeps_what_was_lent_and_a_policy_that_lends_no_more_ends_it",
    ),
}

DISK: dict[tuple[int, str], Proof] = {
    (82, "no space in the middle"): by(
        "e2e/test_disk_trouble.py::test_the_first_pull_of_a_layer_that_outgrows_the_disk_succeeds",
        "store/test_files.py::test_a_full_disk_is_told_where_it_fills_and_leaves_nothing_behind",
    ),
    (83, "no space for the index"): by(
        "store/test_index.py::test_a_full_disk_is_told_as_such_and_the_transaction_undone",
        "store/test_files.py::test_content_that_cannot_be_indexed_does_not_stay_in_the_tree",
    ),
    (84, "EIO on writing or syncing"): by(
        "cache/test_disk.py::test_a_disk_that_fails_in_the_middle_breaks_no_pull",
        "store/test_content.py::test_a_disk_that_fails_to_sync_stores_nothing_and_is_asked_once",
    ),
    (85, "EIO on reading"): by(
        "proxy/test_rest.py::test_content_that_cannot_be_read_is_told_to_the_core_and_got_elsewhere",
        "cache/test_disk.py::test_content_that_an_edge_could_not_read_is_fetched_again",
    ),
    (86, "a bit flips"): by(
        "store/test_recovery.py::test_a_file_without_a_row_is_adopted_only_when_it_hashes_to_its_name",
        # While nothing crashed it is found by the client that verifies, or by a scrub.
        "e2e/test_disk_trouble.py::test_what_somebody_put_in_the_place_of_content_breaks_no_pull",
    ),
    (87, "content cut short"): by(DAMAGED),
    (88, "file without row, row without file"): by(
        "store/test_recovery.py::test_a_file_without_a_row_is_adopted_only_when_it_hashes_to_its_name",
        "store/test_recovery.py::test_a_row_without_its_whole_file_is_dropped",
    ),
    (89, "kill -9 again and again"): by(
        "e2e/test_crash.py::test_kills_at_random_moments_never_leave_a_wrong_byte",
    ),
    (90, "states that a crash leaves"): by(
        "store/test_recovery.py::test_a_process_killed_at_any_step_leaves_only_verified_content"
    ),
    (91, "index damaged, log gone, held by another"): by(
        "store/test_index.py::test_a_damaged_file_is_moved_aside_and_begun_again",
        "store/test_index.py::test_a_log_that_was_deleted_costs_only_what_it_held",
        "store/test_recovery.py::test_a_second_process_is_told_that_the_directory_is_in_use",
    ),
    (92, "cache directory read-only, or gone"): by(
        "store/test_recovery.py::test_a_read_only_directory_is_refused_by_name",
        "e2e/test_disk_trouble.py::test_a_cache_directory_that_vanishes_while_running_breaks_no_pull",
    ),
    (93, "evicted while it is served"): by("store/test_room.py::test_a_reader_keeps_what_is_evicted_under_it"),
    (94, "evicted while it is fetched again"): by(
        "store/test_content.py::test_content_holds_what_its_name_says_after_many_concurrent_writers"
    ),
    (95, "slow disk"): by("store/test_content.py::test_a_slow_disk_does_not_hold_up_look_ups"),
    (96, "links, pipes and folders planted"): by(
        DAMAGED, "e2e/test_disk_trouble.py::test_what_somebody_put_in_the_place_of_content_breaks_no_pull"
    ),
    (97, "no inodes left"): by("cache/test_disk.py::test_a_disk_that_makes_no_file_never_breaks_a_pull"),
}

CLIENTS: dict[tuple[int, str], Proof] = {
    (66, "client leaves in the middle"): by(
        "proxy/test_exchange.py::test_a_client_that_leaves_ends_its_answer",
        "cache/test_fill.py::test_a_fill_that_nobody_reads_lingers_and_is_given_up",
        "cache/test_fill.py::test_a_fill_worth_finishing_is_finished_for_nobody",
        "e2e/test_pushes.py::test_a_client_that_leaves_in_the_middle_of_its_request_has_sent_none",
    ),
    (67, "slow readers of a large layer"): by(
        "proxy/test_stream.py::test_a_reader_that_takes_nothing_holds_only_a_few_pieces",
        "proxy/test_stream.py::test_a_client_that_takes_nothing_is_let_go",
        "e2e/test_memory.py::test_a_large_layer_to_a_slow_reader_leaves_memory_alone",
    ),
    (68, "slow header, slow body, slow TLS, no ClientHello"): by(
        "proxy/test_stream.py::test_a_client_that_says_too_little_is_let_go",
        "upstream/test_uploads.py::test_an_upload_may_be_silent_for_longer_than_a_download_and_not_for_ever",
    ),
    (69, "thousands of idle connections"): by(
        "e2e/test_crowd.py::test_a_thousand_silent_clients_keep_nobody_out_and_cost_nothing",
        "proxy/test_crowd.py::test_idle_connections_make_room_and_busy_ones_are_waited_for",
    ),
    (70, "no descriptors left"): by(
        "proxy/test_crowd.py::test_without_descriptors_clients_wait_and_nobody_spins",
        "app/test_capacity.py::test_connections_leave_descriptors_for_everything_else",
    ),
    (71, "smuggled requests"): by(
        "proxy/test_framing.py::test_nothing_hides_behind_a_request_that_may_be_read_in_two_ways",
        "proxy/test_framing.py::test_nothing_hides_behind_a_body_that_may_be_read_in_two_ways",
        "proxy/test_framing.py::test_the_proxys_own_port_is_as_strict",
    ),
    (72, "CONNECT, Host, SNI and target disagree"): by(
        "proxy/test_connect.py::test_a_connect_whose_host_names_another_is_refused",
        "proxy/test_exchange.py::test_a_request_is_for_the_authority_of_its_connection_or_misdirected",
        "proxy/test_exchange.py::test_a_name_asked_for_by_sni_must_be_the_connections",
        "e2e/test_identity.py::test_another_registrys_host_field_gets_421_and_changes_nothing",
    ),
    (73, "bytes before the 200"): by("proxy/test_connect.py::test_bytes_before_the_tunnel_is_open_end_the_connection"),
    (74, "CONNECT to what is closed"): by(
        "e2e/test_connect.py::test_connect_to_an_address_of_ours_is_refused_and_opens_no_socket",
        "e2e/test_connect.py::test_only_the_policys_ports_are_tunnelled",
        "model/test_address.py::test_other_spellings_of_hosts_are_refused",
        "proxy/test_connect.py::test_a_tunnel_opens_no_socket_to_what_the_table_closes",
    ),
    (75, "paths that lead elsewhere"): by(
        "e2e/test_identity.py::test_what_the_oci_grammar_does_not_know_never_goes_upstream",
        "model/test_oci.py::test_what_the_grammar_does_not_have_is_refused_here",
        "model/test_oci.py::test_classify_never_raises_and_resources_keep_the_grammar",
    ),
    (76, "abused ranges"): by(
        "model/test_message.py::test_a_single_range_is_resolved",
        "model/test_message.py::test_a_range_never_leaves_the_body",
        "proxy/test_reply.py::test_a_stored_body_is_sent_as_asked",
    ),
    (77, "random hosts, repositories and methods"): by(
        "telemetry/test_metrics.py::test_strangers_stay_within_the_bound_and_a_scrape_is_quick"
    ),
    (78, "line ends and control characters for the log"): by(
        "telemetry/test_access_log.py::test_no_field_breaks_a_line_or_grows_without_bound"
    ),
    (79, "conditions"): by(
        "model/test_message.py::test_conditions_are_weighed",
        "cache/test_callers.py::test_a_range_or_a_condition_opens_nothing_either",
    ),
    (80, "tunnel idle, half closed, flooded"): by(
        "proxy/test_tunnel.py::test_a_tunnel_in_which_nothing_moves_ends",
        "proxy/test_tunnel.py::test_who_sends_what_nobody_takes_is_not_read_on",
        "proxy/test_connect.py::test_a_tunnel_carries_bytes_both_ways_and_half_closes",
    ),
    (81, "line ends in a template's field"): NotHere(
        "the language has no templates: no field is made of a client's text"
    ),
}

RUNNING: dict[tuple[int, str], Proof] = {
    (98, "SIGTERM during pulls"): by(
        "e2e/test_program.py::test_sigterm_lets_a_transfer_end_and_exits_0",
        "e2e/test_program.py::test_sigterm_does_not_wait_for_ever",
        "e2e/test_processes.py::test_sigterm_lets_a_transfer_of_an_edge_end_and_exits_0",
    ),
    (99, "started by a socket"): by(
        "e2e/test_systemd.py::test_it_is_started_by_its_first_client_and_ready_before_systemd_says_so",
        "app/test_activation.py::test_sockets_go_where_their_names_say",
    ),
    (100, "SIGHUP with a wrong policy"): by(
        "e2e/test_reload.py::test_a_wrong_file_is_told_with_its_place_and_the_old_policy_runs_on",
        "policy/test_bombs.py::test_a_bomb_is_a_finding",
        "settings/test_files.py::test_what_cannot_be_included_is_refused_in_a_sentence",
    ),
    (101, "a reload takes a registry away"): by(
        "e2e/test_reload.py::test_transfers_and_tunnels_go_on",
        "cache/test_answer.py::"
        "test_a_connection_from_before_a_reload_is_misdirected_only_where_it_now_means_something_else",
    ),
}

CERTIFICATES: dict[tuple[int, str], Proof] = {
    (102, "the clock jumps"): by(
        "tls/test_authority.py::test_a_ca_is_of_use_between_its_dates_alone_and_a_clock_that_goes_back_and_forth_changes_nothing",
        "tls/test_leaf.py::test_a_leaf_lives_three_days_begins_an_hour_ago_and_is_renewed_after_two_thirds",
        "reload/test_authority.py::test_a_clock_that_jumps_is_told_about_and_then_forgotten",
        "freshness/test_plan.py::test_a_clock_that_went_back_makes_an_answer_stale_not_fresh",
    ),
    (103, "leaf or CA near its end, or past it"): by(
        "tls/test_contexts.py::test_a_context_is_kept_for_two_thirds_of_its_leaf_and_then_renewed",
        "reload/test_authority.py::test_a_ca_that_ends_within_thirty_days_is_told_once_a_day_and_its_end_as_well",
        "e2e/test_ca.py::test_with_an_ended_ca_tunnels_go_on_interception_says_why_and_a_new_one_mends_it",
    ),
    (104, "CA key missing, open to others, or another's"): by(
        "tls/test_files.py::test_a_key_that_others_may_read_is_refused_with_the_command_to_run",
        "tls/test_files.py::test_half_a_pair_is_refused_and_left_alone",
        "tls/test_issuer.py::test_what_clients_would_refuse_is_refused_at_start",
        "reload/test_authority.py::test_what_is_broken_changes_nothing_says_why_and_is_never_made_anew",
        "app/test_start.py::test_an_empty_ca_directory_beside_a_cache_that_was_served_is_a_lost_volume",
    ),
}

PROCESS: dict[tuple[int, str], Proof] = {
    # Every buffer has a bound of its own; what the kernel kills all the same is started again.
    (105, "memory runs out"): by(
        "e2e/test_memory.py::test_a_large_layer_to_a_slow_reader_leaves_memory_alone",
        "e2e/test_processes.py::test_the_core_is_killed_under_load_and_no_warm_pull_fails",
        "e2e/test_processes.py::test_an_edge_that_dies_takes_only_its_clients_along",
    ),
    (106, "the event loop stands still"): by(
        "e2e/test_systemd.py::test_a_reload_reads_the_policy_and_what_hangs_is_started_again"
    ),
    (107, "all threads wait for the disk"): by(
        "store/test_work.py::test_disk_calls_run_beside_the_loop",
        "store/test_content.py::test_a_slow_disk_does_not_hold_up_look_ups",
    ),
    (108, "the secret of grants is another"): by(
        "cache/test_callers.py::test_a_restart_and_a_replica_take_a_pull_on_where_it_was"
    ),
    (109, "proxies and trust from the environment"): by(
        "upstream/test_client.py::test_proxies_and_netrc_of_the_environment_do_not_count",
    ),
    (110, "the log's reader is gone"): by(
        "telemetry/test_access_log.py::test_a_log_that_cannot_be_written_is_dropped_and_counted"
    ),
}

ROWS = {**UPSTREAM, **READERS, **CLIENTS, **DISK, **RUNNING, **CERTIFICATES, **PROCESS}


def test_every_fault_has_its_row() -> None:
    assert [number for number, _ in ROWS] == [*range(1, 111)]


@pytest.mark.parametrize("proof", ROWS.values(), ids=[f"{number}: {fault}" for number, fault in ROWS])
def test_what_shows_a_fault_exists_or_it_is_said_why_not(proof: Proof) -> None:
    match proof:
        case Shown(by=tests):
            assert {test for test in tests if not _exists(test)} == set()
        case NotHere(reason=reason):
            assert len(reason.split()) >= 5


def _exists(test: str) -> bool:
    file, _, name = test.partition("::")
    tree = ast.parse((TESTS / file).read_text())
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body)
