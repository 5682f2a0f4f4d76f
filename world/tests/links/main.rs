//! One list of scenarios for every link: an MQTT session straight to the broker, and modems of both dialects between.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::std_instead_of_alloc,
    reason = "tests fail by panicking, and stand on std"
)]

mod links;
mod lives;
mod modems;
mod scenarios;
mod stage;
mod tester;

/// Each scenario as a test of each link.
macro_rules! each_link {
    ($($scenario:ident)*) => {
        mod mqtt_session {
            $(#[test] fn $scenario() { crate::scenarios::$scenario(&crate::links::Mqtt); })*
        }
        mod anycloud_modem {
            $(#[test] fn $scenario() { crate::scenarios::$scenario(&crate::links::ANYCLOUD); })*
        }
        mod rnwf_modem {
            $(#[test] fn $scenario() { crate::scenarios::$scenario(&crate::links::RNWF); })*
        }
    };
}

each_link! {
    a_connection_comes_about_as_it_was_asked_for
    a_refused_connection_is_told_and_made_again
    a_subscription_is_granted_or_refused
    a_message_of_each_qos_is_sent_and_told
    a_message_after_a_silence_is_sent
    a_message_of_each_qos_comes_in
    a_message_comes_in_while_one_is_sent
    r_5_a_connection_that_is_lost_in_mid_publish_loses_no_message
    r_81_queued_traffic_goes_out_in_order_after_a_redial
    a_redial_leads_to_the_next_endpoint_with_what_was_queued
    lanes_are_kept_apart
    r_31_a_farewell_lets_what_is_queued_go_first
    r_21_silence_is_kept_alive_and_a_dead_line_is_missed
    every_byte_value_goes_both_ways
    the_largest_payload_goes_both_ways_and_a_larger_one_is_refused
}
