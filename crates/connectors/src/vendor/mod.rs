//! One file for each vendor.

pub mod elevenlabs;
pub mod follow_up_boss;
pub mod hubspot;
pub mod livekit;
pub mod retell;
pub mod salesforce;
pub mod standard;
pub mod twilio;
pub mod vapi;
