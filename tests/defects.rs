//! The defects seen in other SIP stacks and switches, each with the test here that would find it. The list is held to be
//! true: a test that is renamed or gone is missed.

use std::fs;
use std::path::Path;

/// What was seen to go wrong, and the name of the test.
const DEFECTS: [(&str, &str); 66] = [
    // Reading.
    ("`sip:john.doe@pbx` read as a host", "a_dotted_user_and_a_feature_code_reach_routing_as_dialled"),
    (
        "`;phone-context=` in the user part cuts the user off",
        "a_number_with_phone_context_goes_to_the_host_behind_the_at",
    ),
    ("a Latin-1 byte in Subject drops the INVITE in silence", "a_latin_1_subject_does_not_cost_the_call"),
    ("the same, on its way to a ringing phone", "a_call_with_a_latin_1_byte_in_its_subject_rings"),
    (
        "no Content-Length on UDP: the body is lost",
        "a_datagram_without_content_length_keeps_its_body_and_one_with_it_loses_the_excess",
    ),
    ("compact names, folds and lone LF rejected", "compact_folded_and_lone_line_feed_forms_are_the_same_message"),
    ("line ends before a message rejected", "a_message_with_lone_line_feeds_and_blank_lines_before_it_is_a_call"),
    ("quoted `<` and `>` end an address", "quoted_brackets_do_not_end_an_address"),
    ("CSeq above 2^31 or `_` in a host rejected", "a_cseq_above_two_to_the_31_and_an_underscore_in_a_host_are_read"),
    ("CSeq above 2^31 breaks the dialog", "a_cseq_above_two_to_the_31_counts_on"),
    ("a garbage Via reads as an empty list", "a_garbage_via_is_an_error_and_not_an_empty_list"),
    (
        "one datagram with a garbage Via panics the endpoint",
        "a_datagram_with_a_garbage_via_is_counted_and_the_next_one_is_answered",
    ),
    ("a Via branch is percent-decoded, and its response matches nothing", "a_via_branch_is_never_decoded"),
    (
        "`algorithm=SHA-256` and `qop=\"auth,auth-int\"` not read",
        "sha_256_and_lists_of_qops_and_several_challenges_are_read",
    ),
    ("a digest sliced inside a character panics", "what_a_digest_is_made_of_may_be_any_bytes"),
    (
        "unknown methods and schemes not read, so never answered",
        "an_unknown_method_and_any_scheme_are_read_so_that_they_can_be_answered",
    ),
    ("the reason phrase is replaced or required", "a_reason_phrase_is_kept_whatever_it_is"),
    ("a response without a phrase is missed", "a_reason_phrase_or_none_in_any_bytes_is_no_ground_to_miss_a_response"),
    ("IPv6 in Via and URI rejected or stripped of its brackets", "every_rfc_5118_message_gets_the_rfcs_reaction"),
    (
        "a tag without brackets, in capitals or with blanks is lost",
        "a_tag_is_found_in_any_case_with_blanks_and_without_brackets",
    ),
    ("bad dates, CSeq methods and doubled headers pass", "what_cannot_be_read_is_owed_400"),
    ("the RFC's own torture messages misread", "every_rfc_4475_message_gets_the_rfcs_reaction"),
    // Streams.
    (
        "`Content-Length : N` and two Content-Length smuggle a request",
        "a_length_that_can_be_read_in_two_ways_ends_the_stream_with_the_head_to_answer",
    ),
    ("a message that depends on how the stream was cut", "frames_are_the_same_however_the_stream_is_cut"),
    ("a length that is trusted fills the memory", "memory_is_bounded_by_the_limits"),
    // Writing.
    ("`%23` in a Request-URI becomes `%2523`", "a_feature_code_with_escaped_hashes_is_never_written_anew"),
    (
        "From, To, Via and Call-ID of a response are written anew",
        "a_response_copies_what_belongs_to_the_request_byte_for_byte",
    ),
    ("a quote in a display name is not escaped", "what_the_dialog_needs_is_in_each_message"),
    ("a value of the peer becomes a header of ours", "no_value_can_begin_a_header_or_a_message_of_its_own"),
    // Transactions.
    (
        "A, B, D, E .. M wrong: E fixed at 4 s, 2xx repeated for 8.5 s only",
        "each_timer_from_a_to_m_has_its_moments_over_datagrams_and_over_streams",
    ),
    (
        "a non-INVITE that heard 100 is never repeated",
        "a_request_that_is_no_invite_and_only_hears_100_is_repeated_every_t2_and_given_up_in_time",
    ),
    ("no 100", "an_answer_given_at_once_needs_no_100"),
    ("a lost 180 is never sent again", "a_lost_180_is_sent_again_when_the_invite_is"),
    ("a 2xx is not repeated until its ACK", "an_answer_is_repeated_until_its_ack_over_any_transport"),
    ("a lost ACK leaves the call up for ever", "an_answer_that_is_never_acknowledged_ends_in_a_bye_after_64_t1"),
    ("the ACK for a 486 goes without its Route", "the_ack_for_a_refusal_takes_the_route_of_its_invite"),
    ("the ACK for a 486 never matches its INVITE", "a_refusal_is_acknowledged_and_ends_both_sides"),
    ("an INVITE is abandoned two minutes after its last 1xx", "a_phone_that_rings_for_an_hour_is_not_abandoned"),
    (
        "CANCEL right behind its INVITE gets 481 and the phone rings on",
        "an_invite_and_its_cancel_in_one_burst_end_the_call",
    ),
    ("the same, in 158 of 400 calls", "of_400_invites_each_with_its_cancel_right_behind_none_goes_on_ringing"),
    ("CANCEL before any 1xx", "a_cancel_waits_for_a_provisional_response"),
    (
        "an old client without a branch is told apart by nothing",
        "an_old_client_without_branches_is_told_apart_by_the_rest",
    ),
    ("nor can it call, having no Contact", "a_caller_older_than_contacts_and_branches_is_called_back_at_its_from"),
    ("an INVITE by two paths rings twice", "the_same_invite_by_two_paths_is_one_call"),
    ("a repeated request is processed twice", "a_repeated_request_gets_its_answer_again_and_is_not_processed_twice"),
    (
        "a name in a Via is looked up while everybody waits",
        "a_name_in_a_via_is_answered_at_the_source_and_never_looked_up",
    ),
    ("a name in a Contact is looked up while everybody waits", "the_next_hop_is_an_address_that_can_be_reached"),
    // Dialogs.
    (
        "a gap in CSeq holds the BYE for ever; an old CSeq is dropped in silence",
        "a_gap_in_cseq_is_legal_and_a_step_back_is_500",
    ),
    ("the peer's BYE is answered by a BYE", "the_bye_of_a_peer_is_answered_and_no_bye_goes_back"),
    ("BYEs that cross are answered 481", "byes_that_cross_are_both_answered_200"),
    ("BYE before the ACK", "the_callee_hangs_up_before_the_ack_and_says_bye_only_after_it"),
    ("an answer that crosses a CANCEL is left up", "an_answer_that_crosses_a_cancel_is_acknowledged_and_hung_up"),
    ("the second answer of a fork takes the call over", "a_second_answer_of_a_fork_is_acknowledged_and_dismissed"),
    ("methods are advertised that are then 404 or 405", "each_method_that_allow_names_is_served_in_a_call"),
    ("an unknown method gets 481 or nothing", "an_unknown_method_is_405_with_what_is_allowed"),
    ("Require is not looked at", "an_extension_that_is_required_and_missing_is_420"),
    ("glare is not noticed", "offers_that_cross_are_both_491_and_both_succeed_later"),
    (
        "session timers are refused by silence",
        "an_interval_below_our_minimum_is_refused_with_422_before_anybody_is_rung",
    ),
    ("422 is not understood", "a_422_to_our_invite_is_tried_again_with_the_interval_it_asks_for"),
    ("a third party can speak in a dialog", "a_third_party_without_the_tags_cannot_speak_in_a_dialog"),
    // Digest and logs.
    ("a captured answer opens the door again", "a_captured_answer_cannot_be_played_again"),
    ("stale is told to who does not know the password", "an_old_nonce_is_stale_only_for_who_knows_the_password"),
    ("messages with their credentials in the log", "a_clone_shares_its_bytes_and_a_log_line_shows_no_header"),
    // Whole systems.
    (
        "a call that is refused leaves its permit behind",
        "a_call_beyond_the_total_is_told_when_to_come_back_and_the_next_free_place_is_given_again",
    ),
    ("a stranger hears a ring", "a_stranger_is_asked_for_credentials_whatever_the_number_and_never_hears_a_ring"),
    ("junk breaks the call beside it", "bent_messages_leave_a_call_alone_and_nothing_behind"),
];

fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            sources(&entry, into);
        } else if entry.extension().is_some_and(|kind| kind == "rs") {
            into.push_str(&fs::read_to_string(&entry).unwrap());
        }
    }
}

#[test]
fn each_defect_on_the_list_has_its_test() {
    let mut all = String::new();
    for folder in ["src", "tests"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut all);
    }
    let gone = |(_, test): &&(&str, &str)| !all.contains(&format!("#[test]\nfn {test}()"));
    let missing: Vec<_> = DEFECTS.iter().filter(gone).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
    let mut names: Vec<_> = DEFECTS.iter().map(|(_, test)| test).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), DEFECTS.len(), "a test stands for two defects");
}
