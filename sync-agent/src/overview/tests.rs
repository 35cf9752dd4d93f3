//! What a till says of itself where something cannot be read.

use crate::sink::{Fault, Sink as _};
use crate::status;
use crate::tests::TestTill;
use fs_err as fs;
use tillway_proto::Revision;
use tillway_proto::report::SalesWaitKind;

#[tokio::test]
async fn unsent_documents_that_cannot_be_counted_are_unknown_and_say_why() {
    let till = TestTill::new();
    let settings = till.loader.teller.settings.current();
    let documents = &settings.paths.documents;
    assert_eq!((till.look().unsent_documents, till.look().sales_wait), (Some(0), None), "nothing sold yet");
    fs::create_dir_all(documents.parent().unwrap()).unwrap();
    fs::write(documents, vec![0xaa; 8192]).unwrap();
    let first = till.look();
    let wait = first.sales_wait.unwrap();
    assert_eq!((first.unsent_documents, wait.kind), (None, SalesWaitKind::DocumentsUnreadable));
    assert_eq!(till.look().sales_wait.unwrap().since, wait.since);
    let status = status::look(&settings, 0).await.to_string();
    assert!(status.contains("unsent: unknown") && status.contains("documents-unreadable"), "{status}");
    fs::remove_file(documents).unwrap();
    assert_eq!((till.look().unsent_documents, till.look().sales_wait), (Some(0), None));
}

#[tokio::test]
async fn why_an_unloading_failed_is_told_in_reports_and_by_status_until_one_comes_to_its_end() {
    let till = TestTill::new();
    till.loader
        .state
        .note_sales_wait(SalesWaitKind::Refused, "the sales-loader ended the stream: unknown token")
        .unwrap();
    let wait = till.look().sales_wait.unwrap();
    assert_eq!(wait.kind, SalesWaitKind::Refused);
    let status = status::look(&till.loader.teller.settings.current(), 0).await.to_string();
    assert!(
        status.contains("not taken since") && status.contains("refused") && status.contains("unknown token"),
        "{status}"
    );
    till.loader.state.end_sales_wait().unwrap();
    assert_eq!(till.look().sales_wait, None);
}

#[tokio::test]
async fn a_dictionary_that_cannot_be_read_for_a_moment_is_told_as_it_was_and_not_as_empty() {
    let till = TestTill::in_memory();
    let reached = Revision(7);
    till.sink.reach(reached);
    let known = till.look();
    assert!(known.cursor == reached && known.digest.is_some());
    till.sink.fail(Some(Fault::Passes));
    let unread = till.look();
    assert_eq!((unread.cursor, unread.digest), (reached, None), "and is not compared");
    assert_eq!(till.loader.teller.overview.cursor(), reached, "a link is decided on by it, too");
    till.sink.fail(None);
    assert_eq!(till.look(), known);
    till.loader.teller.overview.keep_cursor();
    till.sink.fail(Some(Fault::Passes));
    assert_eq!(till.again().look().cursor, reached, "also by an agent that has never read it");
}

#[tokio::test]
async fn a_damaged_dictionary_is_told_as_empty() {
    let till = TestTill::new();
    let path = till.sink.path();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    till.loader.state.note_cursor(Revision(7), None).unwrap();
    fs::write(path, vec![0xaa; 8192]).unwrap();
    assert_eq!(till.look().cursor, Revision::ZERO);
}
