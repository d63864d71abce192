//! What every backend of the store must do, run over each backend by its constructor.
//!
//! A backend is a [`Backend`]: a place that can be opened again and again, also twice at the same time.

#![expect(clippy::unwrap_used, reason = "clippy knows test functions only, not the functions that they share")]

mod access;
mod accounts;
mod append;
mod audit;
mod cache;
mod commit;
mod concurrency;
mod dead;
mod deliveries;
mod erasure;
mod features;
mod history;
mod jobs;
mod joins;
mod kafka;
mod limits;
mod log;
mod opening;
mod outcomes;
mod plans;
mod privacy;
mod redis;
mod registry;
mod retention;
mod search;
mod sessions;
mod support;
mod webhooks;

/// Runs a contract over the embedded database in a folder of its own, and over a database of its own on the PostgreSQL
/// server of the tests.
macro_rules! contracts {
    ($($module:ident::$name:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test]
                async fn $name() {
                    crate::$module::$name(&crate::support::Embedded::new()).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test]
                async fn $name() {
                    crate::$module::$name(&crate::support::Postgres::new().await).await;
                }
            )*
        }
    };
}

/// Runs a contract of the log over both databases and over Kafka.
macro_rules! log_contracts {
    ($($name:ident),* $(,)?) => {
        mod log_embedded {
            $(
                #[tokio::test]
                async fn $name() {
                    crate::log::$name(&crate::support::Embedded::new()).await;
                }
            )*
        }

        mod log_postgres {
            $(
                #[tokio::test]
                async fn $name() {
                    crate::log::$name(&crate::support::Postgres::new().await).await;
                }
            )*
        }

        mod log_kafka {
            $(
                #[tokio::test]
                async fn $name() {
                    crate::log::$name(&crate::support::Kafka::new().await).await;
                }
            )*
        }
    };
}

log_contracts! {
    a_group_reads_every_event_once_and_goes_on_where_it_stood,
    what_is_not_committed_comes_again,
    an_event_that_is_appended_twice_is_applied_once,
    leads_that_merge_while_their_events_wait_end_with_one_history,
    events_of_an_erased_lead_are_passed_over,
    a_lead_that_is_erased_after_its_events_were_read_gets_nothing,
    figures_of_events_stand_in_their_columns_until_the_lead_is_erased,
}

contracts! {
    append::events_get_dense_positions_from_one_in_each_partition,
    append::the_same_event_has_one_effect_however_often_it_arrives,
    append::unknown_leads_reserved_sources_and_nobody_are_refused_and_the_rest_goes_on,
    append::too_many_events_are_refused_whole,
    append::what_was_read_equals_what_was_appended,
    append::the_latest_name_counts_whatever_the_order,
    append::readers_are_woken,
    append::checkpoints_are_committed_with_their_rows,
    append::market_data_of_the_same_month_is_replaced,
    joins::handles_of_two_leads_merge_them_into_the_older,
    joins::merges_are_transitive_and_happen_once,
    joins::a_merge_within_one_batch_equals_one_across_batches,
    joins::a_source_can_say_which_lead_absorbs_which,
    joins::the_absorbed_lead_loses_state_and_score,
    commit::a_reader_from_another_position_is_fenced_and_changes_nothing,
    commit::the_latest_score_never_goes_backwards,
    commit::withheld_leads_have_no_latest_score_and_keep_their_history,
    commit::states_and_scores_survive_unchanged,
    commit::absorbed_erased_and_unknown_leads_get_neither_state_nor_score,
    commit::dead_letters_and_lag_are_reported,
    commit::expired_scores_are_found_oldest_first,
    commit::performance_of_models_is_kept,
    dead::the_same_place_and_the_same_event_are_one_letter,
    dead::letters_are_listed_by_page_origin_and_reason,
    dead::a_dropped_letter_is_gone_and_a_revived_one_asks_for_its_lead,
    dead::an_erasure_takes_the_letters_of_the_lead_and_of_its_handles,
    dead::payloads_are_sealed,
    dead::a_process_is_there_for_as_long_as_it_said,
    erasure::an_erased_lead_is_gone_and_its_events_stay_unreadable,
    erasure::a_merged_family_is_erased_together_from_any_member,
    erasure::personal_data_is_never_on_the_disk_in_the_clear,
    features::a_score_is_kept_with_what_it_was_calculated_from,
    features::absorbed_erased_and_unknown_leads_get_no_features,
    jobs::a_job_that_waits_or_runs_is_not_queued_twice,
    jobs::a_job_has_one_owner_and_goes_on_where_a_dead_one_left_it,
    jobs::a_cancelled_or_failed_job_can_be_resumed,
    outcomes::the_first_prediction_of_each_lead_in_a_period_is_found,
    outcomes::a_period_is_kept_once_with_its_calibration,
    privacy::nobody_asks_about_who_is_not_there,
    privacy::a_request_is_due_in_a_month_and_put_off_once,
    privacy::people_decide_what_they_may_and_nothing_twice,
    privacy::requests_are_found_page_by_page_by_who_sees_their_lead,
    privacy::a_request_has_one_process_and_goes_on_in_another_where_that_died,
    privacy::an_erasure_leaves_its_receipt_and_nothing_that_anybody_wrote,
    privacy::limits_are_events_of_the_lead_and_are_said_once,
    privacy::an_export_is_whole_sealed_and_kept_for_a_week,
    privacy::who_lost_a_request_for_access_writes_no_more_and_an_erased_lead_gives_none,
    privacy::a_wrong_handle_is_taken_from_its_lead_alone,
    privacy::an_override_ends_by_hand_by_time_or_by_another,
    retention::old_months_go_and_latest_scores_stay,
    retention::what_is_over_or_expired_goes_and_a_dry_run_says_the_same,
    retention::events_that_were_read_go_and_stay_duplicates,
    history::a_history_is_that_of_everybody_who_was_absorbed,
    history::histories_of_many_leads_are_those_of_each,
    history::score_histories_of_many_leads_are_those_of_each,
    history::what_many_leads_show_is_found_for_who_sees_them,
    history::the_latest_of_each_area_is_found,
    search::pages_follow_each_order_to_its_end,
    search::each_filter_finds_what_it_names,
    search::nobody_finds_what_they_do_not_see,
    concurrency::two_handles_on_one_folder_keep_positions_dense_and_leads_single,
    concurrency::a_failing_write_does_not_spoil_those_that_share_its_transaction,
    concurrency::closing_writes_what_waits,
    access::users_are_made_changed_and_removed,
    access::of_two_administrators_who_remove_each_other_one_stays,
    access::people_see_the_leads_that_are_theirs,
    access::a_merged_lead_is_whose_its_survivor_is,
    accounts::passwords_are_checked_and_replaced,
    accounts::unknown_addresses_take_as_long_as_wrong_passwords,
    accounts::api_keys_are_shown_once_expire_and_can_be_revoked,
    accounts::who_was_removed_is_not_brought_back_by_a_provider,
    deliveries::a_signature_counts_for_one_body_until_it_is_too_old,
    sessions::a_session_is_its_users_and_ends_with_the_password_and_with_time,
    sessions::a_refresh_token_is_good_once_and_a_second_use_ends_the_session,
    sessions::sessions_are_listed_ended_and_over_where_nobody_goes_on_with_them,
    sessions::a_new_signing_key_is_known_before_it_signs_and_an_old_one_for_long_enough,
    sessions::processes_that_start_together_make_one_key,
    audit::what_was_done_is_found_page_by_page_and_verifies,
    audit::several_processes_write_one_chain,
    audit::rows_are_added_and_nothing_else,
    audit::a_tampered_block_is_named,
    audit::a_log_that_is_cut_short_is_found_out,
    audit::an_erasure_takes_reasons_and_leaves_the_log_sound,
    audit::a_log_that_cannot_be_written_takes_nothing_more_and_loses_nothing,
    audit::a_checkpoint_that_a_crash_left_out_is_written,
    opening::everything_is_there_after_reopening,
    opening::the_number_of_partitions_stays,
    webhooks::crossings_and_grades_are_told_with_the_commit,
    webhooks::a_first_score_crosses_from_below_and_a_grade_needs_one_before,
    webhooks::what_is_not_committed_is_not_told_and_what_is_derived_again_is_told_once,
    webhooks::directions_of_crossings_are_the_endpoints_own,
    webhooks::a_message_has_one_sender_and_goes_to_another_where_that_died,
    webhooks::an_endpoint_that_fails_for_days_or_is_gone_is_disabled,
    webhooks::a_receiver_that_asks_for_time_is_left_alone,
    webhooks::a_secret_is_sealed_and_the_one_before_signs_for_a_day,
    webhooks::failed_messages_are_replayed_under_their_ids,
    webhooks::silence_is_told_once_and_only_what_began_lately,
    webhooks::a_promotion_is_told_once_to_those_who_were_there,
    webhooks::what_must_not_be_known_of_a_lead_is_not_told,
    webhooks::endpoints_are_bounded_and_go_with_their_messages,
}
