//! The crash points, as the source has them now: a new one cannot be forgotten.

use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};

/// How a point looks in the source.
const MARK: &str = "fail_point!(";

/// Starts the names of points that switch a protection off.
const SWITCH: &str = "without::";

/// Crates whose points a cash server passes.
pub const OF_SERVER: [&str; 4] = ["cash-server", "exchangers", "file-queue", "proto"];

/// Crates whose points an agent passes.
pub const OF_AGENT: [&str; 4] = ["sync-agent", "exchangers", "file-queue", "proto"];

/// A place where a process can be ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// `<module>::<step that was just done>`
    pub name: String,
    /// The crate it stands in: the name of its folder.
    pub place: String,
    /// The file it stands in.
    pub file: PathBuf,
}

/// All crash points of the workspace, by name; without those that switch a protection off. An
/// error where a name stands twice.
pub fn crash_points() -> io::Result<Vec<Point>> {
    let all = all_points()?;
    Ok(all.into_iter().filter(|point| !point.name.starts_with(SWITCH)).collect())
}

/// Names of the protections that can be switched off.
pub fn protections() -> io::Result<Vec<String>> {
    let all = all_points()?;
    Ok(all.iter().filter_map(|point| point.name.strip_prefix(SWITCH)).map(str::to_owned).collect())
}

/// Points that one of these crates has.
pub fn of<'a>(points: &'a [Point], crates: &[&str]) -> Vec<&'a Point> {
    points.iter().filter(|point| crates.contains(&point.place.as_str())).collect()
}

fn all_points() -> io::Result<Vec<Point>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut points: Vec<Point> = Vec::new();
    for entry in fs::read_dir(workspace)? {
        let folder = entry?.path();
        let source = folder.join("src");
        if source.is_dir() {
            let place = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if place != "tests" {
                look_through(&source, &place, &mut points)?;
            }
        }
    }
    points.sort();
    match twice(&points) {
        Some([one, other]) => Err(io::Error::other(format!(
            "the point {} stands in {} and in {}: whoever names it means one of them",
            one.name,
            one.file.display(),
            other.file.display()
        ))),
        None => Ok(points),
    }
}

/// A name that stands in the source twice; the points are in the order of their names.
fn twice(points: &[Point]) -> Option<[&Point; 2]> {
    points.array_windows().find(|[one, other]| one.name == other.name).map(|[one, other]| [one, other])
}

fn look_through(folder: &Path, place: &str, points: &mut Vec<Point>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            look_through(&path, place, points)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for name in names(&fs::read_to_string(&path)?) {
                points.push(Point { name, place: place.to_owned(), file: path.clone() });
            }
        }
    }
    Ok(())
}

/// Names in a source text; not those in comments.
fn names(source: &str) -> Vec<String> {
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut names = Vec::new();
    for (at, _) in code.match_indices(MARK) {
        let rest = code[at + MARK.len()..].trim_start();
        let name = rest.strip_prefix('"').and_then(|rest| rest.split('"').next());
        names.extend(name.map(str::to_owned));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_found_on_one_line_or_two_and_not_in_comments() {
        let source =
            "fail::fail_point!(\"a::b\");\n// fail_point!(\"no::no\")\nfail_point!(\n    \"c::d\", |_| Ok(())\n);";
        assert_eq!(names(source), ["a::b", "c::d"]);
    }

    #[test]
    fn a_name_that_stands_twice_is_told() {
        let point = |name: &str, file: &str| Point { name: name.into(), place: "p".into(), file: file.into() };
        assert_eq!(twice(&[point("a::b", "1"), point("c::d", "1")]), None);
        let points = [point("a::b", "1"), point("c::d", "1"), point("c::d", "2")];
        assert_eq!(twice(&points), Some([&points[1], &points[2]]));
    }
}
