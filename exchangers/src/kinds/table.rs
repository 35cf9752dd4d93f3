//! The table of kinds. Adding a kind is one entry in one of these rooms.

mod cards;
mod goods;
mod scales;
mod staff;

use super::spec::{KindSpec, NOTHING};

const ROOMS: [&[KindSpec]; 4] = [goods::KINDS, cards::KINDS, scales::KINDS, staff::KINDS];

const COUNT: usize = {
    let mut count = 0;
    let mut room = 0;
    while room < ROOMS.len() {
        count += ROOMS[room].len();
        room += 1;
    }
    count
};

/// Every kind. Its place here has no meaning outside the process; `id` and `name` do.
pub static KINDS: [KindSpec; COUNT] = {
    let mut all = [NOTHING; COUNT];
    let (mut next, mut room) = (0, 0);
    while room < ROOMS.len() {
        let mut at = 0;
        while at < ROOMS[room].len() {
            all[next] = ROOMS[room][at];
            next += 1;
            at += 1;
        }
        room += 1;
    }
    all
};
