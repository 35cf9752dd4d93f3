//! Sets one key in the text of a settings file; comments and all else stay as they are.

/// The text with `key = value` in a section. The key's line is replaced where it is there; else it
/// comes first in its section, which is made at the end where it is not there.
///
/// `key` must not have a value of several lines.
pub(super) fn set(text: &str, section: &str, key: &str, value: &str) -> String {
    let set = format!("{key} = {value}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if let Some(header_at) = lines.iter().position(|line| header(line) == Some(section)) {
        let inside = header_at + 1;
        let end = lines[inside..].iter().position(|line| header(line).is_some()).map_or(lines.len(), |at| inside + at);
        match (inside..end).find(|at| key_of(&lines[*at]) == Some(key)) {
            Some(at) => lines[at] = set,
            None => lines.insert(inside, set),
        }
    } else {
        if lines.last().is_some_and(|line| !line.is_empty()) {
            lines.push(String::new());
        }
        lines.extend([format!("[{section}]"), set]);
    }
    lines.join("\n") + "\n"
}

/// The name in `[name]`, with a comment behind it or not.
fn header(line: &str) -> Option<&str> {
    let (name, _) = line.trim_start().strip_prefix('[')?.split_once(']')?;
    Some(name.trim())
}

fn key_of(line: &str) -> Option<&str> {
    line.split_once('=').map(|(key, _)| key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_replaced_added_to_its_section_or_comes_with_a_new_one() {
        let text = "# top\n[server] # this machine\nname = \"a\"\n# public_host = \"x\"\n\n[broker]\nname = \"b\"\n";
        assert_eq!(set(text, "server", "name", "\"c\""), text.replace("\"a\"", "\"c\""));
        let added = set(text, "server", "public_host", "\"h\"");
        assert_eq!(added, text.replace("machine\n", "machine\npublic_host = \"h\"\n"));
        assert_eq!(set(text, "web", "listen", "1"), format!("{text}\n[web]\nlisten = 1\n"));
        assert_eq!(set("", "web", "listen", "1"), "[web]\nlisten = 1\n");
    }

    #[test]
    fn the_printed_defaults_take_any_answer() {
        let text = set(crate::settings::DEFAULT_SETTINGS, "broker", "till_user", "\"tills\"");
        let settings = crate::settings::Settings::read(&text, std::path::Path::new("/"), []).unwrap();
        assert_eq!(settings.broker.till_user.as_deref(), Some("tills"));
        assert_eq!(text.lines().count(), crate::settings::DEFAULT_SETTINGS.lines().count());
    }
}
