//! A bar on the terminal while the agent works for the command line.

use crate::hand_over::{self, Ask};
use crate::progress::{Far, Stage};
use indicatif::{ProgressBar, ProgressStyle};
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A moment in which most requests are done: for them nothing is drawn.
const QUIET_AT_FIRST: Duration = Duration::from_millis(500);

/// Draws how far the agent is, until it is dropped; for ever. Where the terminal is none, or the
/// agent is of a version that does not tell, nothing is drawn.
pub(super) async fn draw(data: &Path) -> Infallible {
    tokio::time::sleep(QUIET_AT_FIRST).await;
    let mut bar = Bar(None);
    loop {
        match hand_over::ask(data, Ask::Progress).await {
            Ok(answer) if answer.ok => {
                let far: Vec<Far> = serde_json::from_str(&answer.text).unwrap_or_default();
                // The last one: what is downloaded comes before what is loaded.
                bar.show(far.last());
            }
            Ok(_) => return std::future::pending().await,
            // It starts, or stops.
            Err(_) => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Cleared when it goes, so that the answer stands alone.
struct Bar(Option<(Stage, ProgressBar)>);

impl Bar {
    fn show(&mut self, far: Option<&Far>) {
        let Some(Far { stage, done, total }) = far.copied() else { return self.clear() };
        if self.0.as_ref().is_some_and(|(shown, bar)| *shown != stage || bar.length().is_some() != (total > 0)) {
            self.clear();
        }
        let (_, bar) = self.0.get_or_insert_with(|| (stage, bar_of(stage, total)));
        if total > 0 {
            bar.set_length(total);
        }
        bar.set_position(done);
        bar.tick();
    }

    fn clear(&mut self) {
        if let Some((_, bar)) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

fn bar_of(stage: Stage, total: u64) -> ProgressBar {
    let (what, count) = match stage {
        Stage::Download => ("downloading", "{bytes} of {total_bytes}"),
        Stage::Load => ("loading", "{human_pos} of {human_len} objects"),
        Stage::Unload if total == 0 => ("unloading", "{human_pos} receipts"),
        Stage::Unload => ("unloading", "{human_pos} of {human_len} receipts"),
    };
    let (bar, template) = if total > 0 {
        (ProgressBar::new(total), format!("{what} [{{bar:30}}] {{percent}} %  {count}  {{eta}} left"))
    } else {
        (ProgressBar::no_length(), format!("{what} {{spinner}} {count}"))
    };
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_a_bar_whose_template_reads() {
        for stage in [Stage::Download, Stage::Load, Stage::Unload] {
            for total in [0, 7] {
                let bar = bar_of(stage, total);
                bar.set_position(3);
                assert_eq!(bar.length(), (total > 0).then_some(total));
            }
        }
        let template = "x [{bar:30}] {percent} %  {human_pos} of {human_len} objects  {eta} left";
        assert!(ProgressStyle::with_template(template).is_ok());
    }
}
