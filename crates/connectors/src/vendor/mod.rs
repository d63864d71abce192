//! One file for each vendor.

mod mail;

pub mod cloudevents;
pub mod elevenlabs;
pub mod follow_up_boss;
pub mod hubspot;
pub mod livekit;
pub mod mailgun;
pub mod mapped;
pub mod posthog;
pub mod postmark;
pub mod relay;
pub mod retell;
pub mod salesforce;
pub mod segment;
pub mod sendgrid;
pub mod standard;
pub mod twilio;
pub mod vapi;
