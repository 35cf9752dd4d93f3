//! Prose ends before column 100, in comments and in the pages of docs. Code, tables, specimens of
//! formats (fenced or indented) and links may be longer.

use fs_err as fs;
use std::path::{Path, PathBuf};

/// The last column that prose may reach.
const LAST_COLUMN: usize = 99;

/// Written by a test from the table of kinds.
const GENERATED: &str = "docs/formats/kinds.md";

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !(name.starts_with('.') && name != ".ci") {
                files(&path, found);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs" || ending == "md") {
            found.push(path);
        }
    }
}

/// What stands behind the slashes of a comment; none where the line is code.
fn comment(line: &str) -> Option<&str> {
    let slashes = line.trim_start().strip_prefix("//")?;
    Some(slashes.strip_prefix(['/', '!']).unwrap_or(slashes))
}

/// Whether a line may be as long as it has to be.
fn may_be_long(text: &str) -> bool {
    let trimmed = text.trim_start();
    let table = trimmed.starts_with('|') || trimmed.starts_with('#');
    // One word that cannot be broken: a name, a link.
    let one_word = trimmed.trim_start_matches(['-', '*', ' ']).split_whitespace().count() <= 1;
    table || one_word || trimmed.starts_with('[') && trimmed.contains("]:")
}

#[test]
fn prose_ends_before_column_100() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = Vec::new();
    files(&root, &mut all);
    assert!(all.len() > 300, "only {} files were looked at", all.len());
    let mut long = Vec::new();
    for path in all.iter().filter(|path| !path.ends_with(GENERATED)) {
        let markdown = path.extension().is_some_and(|ending| ending == "md");
        let mut fenced = false;
        for (number, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
            let Some(text) = (if markdown { Some(line) } else { comment(line) }) else {
                fenced = false;
                continue;
            };
            if text.trim_start().starts_with("```") {
                fenced = !fenced;
                continue;
            }
            let specimen = fenced || text.starts_with("    ");
            if !specimen && !may_be_long(text) && line.chars().count() > LAST_COLUMN {
                long.push(format!("{}:{}: {} columns", path.display(), number + 1, line.chars().count()));
            }
        }
    }
    assert!(long.is_empty(), "break these lines before column 100:\n{}", long.join("\n"));
}
