//! Progress on a terminal: one bar on standard error, nothing anywhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// How often a bar is redrawn, at most, times a second.
const REDRAWS_PER_SECOND: u8 = 8;
/// How often a bar moves though nothing happened.
const TICK: Duration = Duration::from_millis(250);

/// A bar for `total` units of `what`; a spinner where the total is not known.
pub fn bar(output: Output, what: &str, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{msg:<14} {bar:30} {human_pos}/{human_len} {eta}",
        None => "{msg:<14} {spinner} {elapsed}",
    };
    styled(output, what, total, template)
}

/// A bar for the bytes of a file, whose length is set later.
pub fn bytes(output: Output, what: &str) -> ProgressBar {
    styled(output, what, Some(0), "{msg:<14} {bar:30} {bytes}/{total_bytes} {eta}")
}

fn styled(output: Output, what: &str, total: Option<u64>, template: &str) -> ProgressBar {
    if !output.shows_progress() {
        return ProgressBar::hidden();
    }
    // Hidden by indicatif itself where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND));
    bar.set_style(ProgressStyle::with_template(template).expect("the templates of this file are well formed"));
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(TICK);
    bar
}
