//! The cut: chooses what survived, and makes the real folders so.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf, absolute};

use fs_err as fs;

use super::ledger::{self, discard, kept_folder, kept_path, log_path};
use super::tree::{History, Names, NodeId, Place};
use super::{Choice, Summary};

pub(super) fn cut(folder: &Path, seed: u64) -> io::Result<Summary> {
    let folder = absolute(folder)?;
    let history = History::of(ledger::read(&folder)?);
    let mut choice = Choice(seed);
    let mut summary = Summary::default();

    let at_risk: Vec<usize> = (0..history.changes.len()).filter(|number| !history.changes[*number].durable).collect();
    let survive = surviving(&at_risk, &mut choice);
    let kept: BTreeSet<usize> = (0..history.changes.len())
        .filter(|number| history.changes[*number].durable || survive.contains(number))
        .collect();
    summary.names_at_risk = at_risk.len() as u64;
    summary.names_taken_back = (at_risk.len() - survive.len()) as u64;

    rewind_contents(&history, &folder, &mut choice, &mut summary)?;
    rewind_names(&history, &history.with(&kept), &folder)?;

    // What is left in the ledger is gone for good, and what is there is durable.
    discard(&log_path(&folder))?;
    discard(&kept_folder(&folder))?;
    Ok(summary)
}

/// Which of the changes of names at risk survive: none, all, the first of them, or any.
fn surviving(at_risk: &[usize], choice: &mut Choice) -> HashSet<usize> {
    match choice.below(4) {
        0 => HashSet::new(),
        1 => at_risk.iter().copied().collect(),
        2 => {
            let first = choice.below(at_risk.len() as u64 + 1);
            at_risk.iter().copied().take(usize::try_from(first).unwrap_or(usize::MAX)).collect()
        }
        _ => at_risk.iter().copied().filter(|_| choice.coin()).collect(),
    }
}

/// Each file where it is now, also where it was removed: it may come back.
fn rewind_contents(history: &History, ledger: &Path, choice: &mut Choice, summary: &mut Summary) -> io::Result<()> {
    let mut files: Vec<_> = history.contents.iter().filter(|(_, content)| content.at_risk()).collect();
    files.sort_unstable_by_key(|(node, _)| **node);
    for (node, content) in files {
        summary.files_at_risk += 1;
        let Some(path) = real_path(&history.present, *node, ledger) else { continue };
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) && content.rewind(ledger, &path, choice)? {
            summary.files_taken_back += 1;
        }
    }
    Ok(())
}

/// Where a node is on the real disk.
fn real_path(names: &Names, node: NodeId, ledger: &Path) -> Option<PathBuf> {
    match names.places.get(&node)? {
        Place::Kept(kept) => Some(kept_path(ledger, *kept)),
        Place::Named { folder, name } => {
            let above = if names.places.contains_key(folder) {
                real_path(names, *folder, ledger)?
            } else {
                names.path(*folder)?
            };
            Some(above.join(name))
        }
    }
}

/// Moves what has another place than before into limbo, the deepest first, and from there to its
/// place, the highest first. What has no place any more stays in limbo and goes with it.
fn rewind_names(history: &History, survived: &Names, ledger: &Path) -> io::Result<()> {
    let present = &history.present;
    let moved = |node: &NodeId| match (present.places.get(node), survived.places.get(node)) {
        (Some(now), Some(then)) => now != then && matches!(then, Place::Named { .. }),
        (Some(Place::Named { .. }), None) => true,
        _ => false,
    };
    let gone = |node: &NodeId| {
        matches!(present.places.get(node), Some(Place::Named { .. }))
            && matches!(survived.places.get(node), Some(Place::Kept(_)))
    };
    let limbo = ledger.join("limbo");
    discard(&limbo)?;
    fs::create_dir_all(&limbo)?;
    let mut moves: Vec<NodeId> = present.places.keys().copied().filter(|node| moved(node) || gone(node)).collect();
    moves.sort_unstable_by_key(|node| (std::cmp::Reverse(present.depth(*node)), *node));
    for node in &moves {
        let Some(path) = real_path(present, *node, ledger) else { continue };
        if fs::symlink_metadata(&path).is_ok() {
            fs::rename(path, limbo.join(node.to_string()))?;
        }
    }
    moves.sort_unstable_by_key(|node| (survived.depth(*node), *node));
    for node in moves {
        let (from, Some(to)) = (limbo.join(node.to_string()), survived.path(node)) else { continue };
        let folder_is_there = to.parent().is_some_and(Path::exists);
        if folder_is_there && fs::symlink_metadata(&from).is_ok() {
            discard(&to)?;
            fs::rename(from, to)?;
        }
    }
    discard(&limbo)
}
