//! The contract of the stores: what every implementation must hold, whatever keeps the data.
//!
//! Each fact is a function over a [`Home`], and is run for each implementation by one line at the
//! end of this file. It knows the traits alone: no file, no SQL. What only one implementation does
//! (its files, its schema, its damage) is tested beside it.
//!
//! A second store that is opened in the same home while the first is open stands for another
//! server over the same database, and one that is opened after the first is closed for a restart.

mod audit;
mod dictionary;
mod exchange;
mod goods;
mod journal;
mod network;
mod outbox;
mod packages;
mod people;
mod receipts;
mod sales;

use super::{ServerId, Stores};
use crate::dictionary::entry::{Entry, KindId, LoadOutcome, ObjectKey};
use crate::dictionary::tests::kit;
use crate::network::{LayerNo, NetworkService};
use crate::store::dictionary::{DictionarySnapshot, LoadTxn};
use std::thread;
use tillway_proto::{LoadId, NodeId, NodeLevel, Revision, RowHash};

/// Where one implementation keeps the stores of one test.
trait Home: Send + Sync {
    /// Opens all stores for one of several servers; they are made by the first opening.
    fn open_for(&self, server: ServerId) -> Stores;

    /// The same for a server that stands for all.
    fn open(&self) -> Stores {
        self.open_for(ServerId::ALONE)
    }
}

/// Files in a folder of their own.
struct SqliteHome(tempfile::TempDir);

impl SqliteHome {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Home for SqliteHome {
    fn open_for(&self, server: ServerId) -> Stores {
        Stores::open_for(self.0.path(), server).unwrap()
    }
}

/// One of several servers.
fn server(number: u128) -> ServerId {
    ServerId(uuid::Uuid::from_u128(number))
}

/// So many do the same thing at the same moment, each with a number.
fn at_once<T: Send>(how_many: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = std::sync::Barrier::new(how_many);
    let one = |n| {
        barrier.wait();
        work(n)
    };
    let one = &one;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..how_many).map(|n| scope.spawn(move || one(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// A network of a chain, and a shop below it, whose layers have these numbers.
fn chain_and_shop(stores: &Stores) -> (LayerNo, LayerNo) {
    let network = NetworkService::new(stores.network.clone());
    let chain = network.ensure_chain(&kit::code("1"), "").unwrap();
    let no = |id: &NodeId| network.current().unwrap().node(id).unwrap().no;
    let shop = network.create(&chain, NodeLevel::Shop, &kit::code("7"), "").unwrap().id;
    (no(&chain), no(&shop))
}

fn begin(stores: &Stores, layer: LayerNo, load: i64) -> Box<dyn LoadTxn> {
    stores.dictionary.begin_load(layer, LoadId(load)).unwrap()
}

/// Puts objects into a layer that bring nothing along.
fn put(load: &mut dyn LoadTxn, entries: &[Entry]) {
    let upserts: Vec<_> = entries.iter().map(|entry| kit::upsert(entry.clone(), None)).collect();
    load.upsert_all(&upserts).unwrap();
}

/// One whole load of objects that bring nothing along.
fn load(stores: &Stores, layer: LayerNo, load: i64, entries: &[Entry]) -> LoadOutcome {
    let mut txn = begin(stores, layer, load);
    put(txn.as_mut(), entries);
    txn.commit().unwrap()
}

fn key_of(entry: &Entry) -> ObjectKey {
    ObjectKey { kind: entry.kind, key: entry.key.clone() }
}

/// What a layer holds of an object in its head.
fn hash(snapshot: &dyn DictionarySnapshot, layer: LayerNo, entry: &Entry) -> Option<RowHash> {
    snapshot.hash_of_many(layer, &[&key_of(entry)], None).unwrap()[0]
}

/// What a layer held of an object at a revision.
fn hash_at(snapshot: &dyn DictionarySnapshot, layer: LayerNo, entry: &Entry, revision: u64) -> Option<RowHash> {
    snapshot.hash_of_many(layer, &[&key_of(entry)], Some(Revision(revision))).unwrap()[0]
}

/// The body of an object in the head of a layer.
fn body(snapshot: &dyn DictionarySnapshot, layer: LayerNo, entry: &Entry) -> Option<Vec<u8>> {
    snapshot.bodies(layer, &[&key_of(entry)]).unwrap().remove(0)
}

/// The keys of a kind in the head of a layer, as its pages show them.
fn keys(snapshot: &dyn DictionarySnapshot, layer: LayerNo, kind: KindId) -> Vec<String> {
    snapshot.page(layer, kind, None, u32::MAX, false).unwrap().into_iter().map(|entry| entry.key).collect()
}

macro_rules! facts {
    ($home:expr, $noun:ident: $($fact:ident,)+) => {
        mod $noun {
            $(#[test]
            fn $fact() {
                crate::store::tests::$noun::$fact(&$home);
            })+
        }
    };
}

/// A fact that is not listed here is a warning of the compiler, and so an error of the build.
macro_rules! keeps_the_contract {
    ($implementation:ident, $home:expr) => {
        mod $implementation {
            facts!($home, dictionary:
                a_snapshot_does_not_see_what_is_committed_later,
                a_load_is_seen_by_nobody_before_its_commit_and_holds_no_reader_up,
                what_is_dropped_or_rolled_back_leaves_nothing,
                loads_wait_for_each_other_and_each_change_takes_a_revision_of_its_own,
                a_load_that_changes_nothing_takes_no_revision_and_is_remembered_as_nothing,
                objects_come_in_the_order_of_the_bytes_of_their_keys_page_after_page,
                what_is_put_comes_back_byte_for_byte,
                the_same_key_twice_in_a_load_counts_once_and_the_last_wins,
                what_comes_back_within_a_load_never_changed,
                a_batch_is_as_if_each_came_by_itself,
                a_batch_of_none_does_nothing,
                many_objects_are_read_at_once_in_the_order_in_which_they_are_asked_for,
                a_group_is_found_by_the_beginning_of_its_keys_and_nothing_else,
                layers_share_a_sequence_and_nothing_else,
                what_was_is_known_until_it_is_pruned,
                states_of_a_few_objects_and_when_they_changed_are_found_by_layer_and_revision,
                a_limit_of_changes_is_kept,
                a_clear_and_a_deletion_take_what_is_not_named_again,
                a_load_says_what_it_would_do_and_changes_nothing_by_that,
                what_is_newer_than_a_late_yes_stays,
                a_record_is_known_again_where_its_load_was_committed,
                a_key_whose_first_part_another_has_is_told_of_by_the_load_that_adds_it,
                lost_revisions_are_skipped_once_and_stay_known_as_lost,
                what_is_committed_is_there_after_a_restart,
                thousands_of_objects_are_one_load,
                who_must_not_wait_long_is_seen_by_a_load,
                what_belongs_to_an_object_came_inside_it_or_names_it,
            );
            facts!($home, goods:
                goods_are_found_by_all_words_of_all_their_names,
                a_name_that_changes_or_goes_is_not_found_any_more,
                a_list_of_goods_goes_on_behind_a_number,
                it_is_known_up_to_where_names_were_read_and_of_which_dictionary,
            );
            facts!($home, network:
                a_change_is_seen_by_all_at_once_and_nothing_is_read_twice,
                a_change_that_is_decided_against_leaves_nothing,
                a_decision_is_made_over_what_it_changes,
                a_move_takes_a_revision_of_the_one_sequence,
                a_change_has_its_line_and_what_changes_nothing_has_none,
                a_code_is_used_once_whoever_comes_first_and_seen_by_all,
            );
            facts!($home, packages:
                a_package_is_found_by_every_part_of_its_key,
                the_package_that_nobody_asked_for_the_longest_comes_first,
                what_leads_beyond_a_revision_is_forgotten,
                the_newest_digests_at_or_before_a_revision_are_found,
                digests_of_one_path_are_bounded_and_the_newest_stay,
                a_new_mark_forgets_what_was_made_under_another,
            );
            facts!($home, exchange:
                a_decision_is_made_over_what_nobody_changes_meanwhile,
                a_decision_that_fails_leaves_nothing,
                a_delivery_is_written_only_where_its_till_has_what_was_seen,
                an_end_is_written_only_in_the_state_that_was_seen,
                lists_come_newest_first_and_are_paged,
                many_contacts_at_once_are_all_there_after_a_restart,
                commands_are_due_before_and_after_a_time_and_end_once,
                the_newest_delivery_of_a_till_is_never_pruned,
                an_order_of_a_person_has_its_line,
                the_server_of_a_shop_is_a_peer_of_its_own,
                it_is_told_since_when_each_till_has_a_revision,
                how_long_deliveries_took_is_counted_once_by_hour_for_all_and_for_some,
            );
            facts!($home, journal:
                ids_are_unique_whoever_takes_loads_in_and_are_never_given_again,
                a_load_that_was_taken_in_is_there_after_a_restart,
                what_has_not_ended_comes_oldest_first,
                a_load_is_worked_on_by_the_server_that_took_it_in,
                notices_are_bounded_and_seen_once,
                a_load_is_repeated_by_one_who_asks_and_no_other,
                what_a_status_server_took_is_remembered,
                loads_are_counted_by_the_hour_in_which_they_came,
            );
            facts!($home, sales:
                the_mark_moves_with_what_is_loaded_or_not_at_all,
                of_two_who_load_the_same_one_does_and_nothing_is_loaded_twice,
                each_server_has_a_mark_of_its_own_and_all_have_the_same_receipts,
                a_receipt_counts_once_however_often_it_comes,
                a_batch_of_none_moves_the_mark_and_nothing_else,
                thousands_of_receipts_are_one_batch,
                receipts_come_by_number_and_findings_newest_first,
                a_finding_that_comes_again_is_counted_and_one_that_is_closed_is_new,
                streams_are_noted_all_together,
            );
            facts!($home, receipts:
                each_filter_of_receipts_finds_its_own_the_newest_first,
                receipts_are_found_page_by_page_each_once,
                a_search_stops_when_it_has_looked_at_enough_and_goes_on,
                one_receipt_is_there_whole_by_its_id,
                sums_are_equal_whatever_they_are_by,
            );
            facts!($home, people:
                a_login_is_one_user_s_whoever_adds_it_first,
                a_change_that_is_decided_against_leaves_nothing_and_a_number_is_never_given_again,
                a_session_begins_with_the_password_of_now_alone,
                sessions_of_a_user_are_bounded_and_old_ones_of_all_go,
                sessions_end_as_they_are_named_and_with_their_user,
                a_key_is_found_by_its_secret_until_it_is_removed,
                all_sessions_and_links_end_at_once,
            );
            facts!($home, outbox:
                what_is_told_is_written_with_what_it_tells_of_and_survives_a_restart,
                reports_of_a_day_are_written_once_whoever_writes_them,
                what_was_sent_waits_no_more_and_what_failed_waits_until_then,
                a_user_who_goes_takes_along_what_waits_and_nothing_piles_up,
            );
            facts!($home, audit:
                lines_come_newest_first_of_all_logs_and_are_paged,
                lines_are_found_by_actor_object_and_time,
                old_lines_of_persons_and_of_others_go_apart,
            );
        }
    };
}

keeps_the_contract!(sqlite, crate::store::tests::SqliteHome::new());
