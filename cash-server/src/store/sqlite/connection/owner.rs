//! Whose a database is.

use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use fs_err as fs;

/// Gives a database that is empty yet to whoever has its folder. Only root may, and only root has
/// to: a command that an administrator runs before the server must not keep the server's user from
/// a file that is new with this version. Best effort, and the files beside it follow.
pub(super) fn follow_folder(path: &Path) {
    let Some(folder) = path.parent().and_then(|folder| fs::metadata(folder).ok()) else { return };
    let is_new = |file: &std::fs::Metadata| file.len() == 0 && file.uid() != folder.uid();
    if fs::metadata(path).is_ok_and(|file| is_new(&file))
        && let Err(error) = chown(path, Some(folder.uid()), Some(folder.gid()))
    {
        tracing::debug!(file = %path.display(), %error, "a new database stays with the user who made it");
    }
}

/// The user whose file it is, for people; none where it is this process's own, or cannot be seen.
pub(super) fn other(path: &Path) -> Option<String> {
    let file = match fs::metadata(path) {
        // It lies in a folder of somebody else.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            path.ancestors().skip(1).find_map(|folder| fs::metadata(folder).ok())?
        }
        file => file.ok()?,
    };
    let own = fs::metadata("/proc/self").ok()?.uid();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    (file.uid() != own).then(|| name_in(&users, file.uid()))
}

fn name_in(users: &str, uid: u32) -> String {
    let found = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| format!("the user `{name}`"))
    });
    found.unwrap_or_else(|| format!("the user with the number {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_and_one_that_is_not_listed_by_number() {
        let users = "root:x:0:0:root:/root:/bin/bash\nbroken\ntillway:x:997:995::/var/lib/tillway:/usr/sbin/nologin\n";
        assert_eq!(name_in(users, 997), "the user `tillway`");
        assert_eq!(name_in(users, 99), "the user with the number 99");
    }
}
