//! The tables of routes have every route: routers are read as their source has them.

use super::*;
use std::collections::BTreeSet;

/// Constants that stand for a path.
const NAMED: [(&str, &str); 4] =
    [("LOGIN", "/login"), ("ACCOUNT", "/account"), ("PATH", "/aifexchange/loaddicts"), ("HELLO_PATH", "hello")];

/// Routes of REST that no person asks: each proves in its own way who it is, and has its own
/// tests.
const OF_MACHINES: [(&str, &str); 7] = [
    ("get", "/api/v1/openapi.json"),
    ("get", "/api/v1/tills/{id}/addresses"),
    ("get", "/health"),
    ("get", "/packages/{file}"),
    ("post", "/aifexchange/loaddicts"),
    ("post", "ATTACH_PATH"),
    ("post", "hello"),
];

/// The routes of all sources below a folder: method and path.
fn routes_below(folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in fs_err::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("tests") {
            routes_below(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            let source = fs_err::read_to_string(&path).unwrap();
            // Tests at the end of a file make routers of their own.
            found.extend(routes_of(source.split("#[cfg(test)]\nmod tests").next().unwrap()));
        }
    }
}

fn routes_of(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for call in source.split(".route(").skip(1) {
        let (path, rest) = call.split_once(',').unwrap();
        let named = || NAMED.iter().find(|(name, _)| *name == path).map_or(path, |(_, path)| path);
        let path = path.strip_prefix('"').and_then(|path| path.strip_suffix('"')).unwrap_or_else(named);
        // Up to the bracket that closes the call.
        let mut depth = 1;
        let end = rest.find(|letter| {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            depth == 0
        });
        let handlers = &rest[..end.unwrap()];
        for method in ["get", "post", "put", "patch", "delete"] {
            let begins = |at: usize| at == 0 || !handlers.as_bytes()[at - 1].is_ascii_alphanumeric();
            if handlers.match_indices(&format!("{method}(")).any(|(at, _)| begins(at)) {
                found.push((method.to_owned(), path.to_owned()));
            }
        }
    }
    found
}

#[test]
fn every_route_of_the_pages_stands_in_the_table_and_none_that_is_gone() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    routes_below(&sources.join("web"), &mut found);
    routes_below(&sources.join("../../service/src/page"), &mut found);
    found.extend(routes_of(&fs_err::read_to_string(sources.join("../../service/src/page.rs")).unwrap()));
    let told: BTreeSet<(String, String)> =
        PAGES.iter().map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert!(found.len() > 50, "routes are not found any more: {found:?}");
    assert_eq!(found, told, "say in PAGES what a route needs");
}

#[test]
fn no_other_face_has_a_route_that_its_table_does_not_name() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for entry in fs_err::read_dir(&sources).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("web") {
            routes_below(&path, &mut found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("web.rs") {
            found.extend(routes_of(&fs_err::read_to_string(&path).unwrap()));
        }
    }
    // What is made by `routes!` is in the description, which the table of REST is held to.
    let told = OF_MACHINES.map(|(method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(found, told.into(), "a route that is not described: say in OF_MACHINES who asks it");
}

#[test]
fn routes_are_read_as_they_are_written() {
    let source = "Router::new().route(\"/a/{b}\", get(one).post(two))\n  .route(LOGIN, post(f(get))).layer(get(x))";
    let [a, b, c] = [("get", "/a/{b}"), ("post", "/a/{b}"), ("post", "/login")];
    assert_eq!(routes_of(source), [a, b, c].map(|(method, path)| (method.to_owned(), path.to_owned())));
}
