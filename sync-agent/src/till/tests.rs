//! What a till says of itself where something cannot be read.

use super::bench::TestTill;
use crate::status;
use fs_err as fs;
use tillway_proto::report::SalesWaitKind;

#[tokio::test]
async fn unsent_documents_that_cannot_be_counted_are_unknown_and_say_why() {
    let till = TestTill::new();
    let settings = till.settings.current();
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
    till.state.note_sales_wait(SalesWaitKind::Refused, "the sales-loader ended the stream: unknown token").unwrap();
    let wait = till.look().sales_wait.unwrap();
    assert_eq!(wait.kind, SalesWaitKind::Refused);
    let status = status::look(&till.settings.current(), 0).await.to_string();
    assert!(
        status.contains("not taken since") && status.contains("refused") && status.contains("unknown token"),
        "{status}"
    );
    till.state.end_sales_wait().unwrap();
    assert_eq!(till.look().sales_wait, None);
}
