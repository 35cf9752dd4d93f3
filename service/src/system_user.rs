//! Users of the operating system, as far as a service has to tell them apart.

use nix::unistd::{Uid, User, getegid, geteuid, getgrouplist};
use std::ffi::CString;

/// The number of the user who may do everything.
pub const ROOT: u32 = 0;

/// The number of the user who runs this process.
pub fn own_number() -> u32 {
    geteuid().as_raw()
}

/// The name of a user; its number where it has no name here. May ask a directory on the network.
pub fn name_of(number: u32) -> String {
    match User::from_uid(Uid::from_raw(number)) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => number.to_string(),
    }
}

/// Whether a user is in the group of the user who runs this process. May ask a directory on the
/// network.
pub fn is_of_own_group(number: u32) -> bool {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(number)) else { return false };
    let Ok(name) = CString::new(user.name) else { return false };
    getgrouplist(&name, user.gid).is_ok_and(|groups| groups.contains(&getegid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_their_names_and_those_without_one_their_numbers() {
        assert_eq!(name_of(ROOT), "root");
        assert_eq!(name_of(3_999_999_999), "3999999999");
        assert!(is_of_own_group(own_number()) && !is_of_own_group(3_999_999_999));
    }
}
