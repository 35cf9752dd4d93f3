//! What a deeper node overrides where documents have other numbers there.

use super::kit::{CLEAR, Chain, PRICE};
use crate::dictionary::overlay;
use crate::store::StoreError;

fn price(barcode: &str, document: &str, price: u32) -> String {
    let price = format!(r#"{{"barcode":"{barcode}","doctype":1,"documentid":"{document}","price":{price}}}"#);
    format!(r#"{{"command":"addPrice","price":{price}}}"#) + "\n---\n"
}

/// The prices that a till sees.
fn seen(chain: &Chain, till: &str) -> Vec<String> {
    let (snapshot, view) = chain.dictionary.moment().unwrap();
    let path = view.effective_path(chain.no(till), view.head);
    let mut keys = Vec::new();
    overlay::scan(snapshot.as_ref(), &path, PRICE, false, |entry| -> Result<(), StoreError> {
        keys.push(entry.key.replace('\u{1f}', "/"));
        Ok(())
    })
    .unwrap();
    keys
}

#[test]
fn a_groups_prices_of_a_barcode_stand_for_those_of_the_chain_whatever_the_documents() {
    let chain = Chain::new();
    chain.load("All", &(price("46", "D100", 90) + &price("46", "D101", 91)));
    chain.load("group-north", &price("46", "D005", 80));
    assert_eq!(seen(&chain, "till-1-1"), ["46/1/D005"]);
    assert_eq!(seen(&chain, "till-2-1"), ["46/1/D100", "46/1/D101"]);
    chain.load("group-north", CLEAR);
    assert_eq!(seen(&chain, "till-1-1"), ["46/1/D100", "46/1/D101"]);
}

#[test]
fn prices_of_other_barcodes_are_not_hidden() {
    let chain = Chain::new();
    chain.load("All", &["4", "46", "460", "5"].map(|barcode| price(barcode, "D100", 90)).concat());
    chain.load("group-north", &price("46", "D005", 80));
    assert_eq!(seen(&chain, "till-1-1"), ["4/1/D100", "46/1/D005", "460/1/D100", "5/1/D100"]);
}
