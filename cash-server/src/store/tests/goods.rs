//! Goods by the words of their names.

use super::Home;
use crate::dictionary::entry::KindId;
use crate::dictionary::tests::kit::{BARCODE, ITEM};
use crate::network::LayerNo;
use crate::store::goods::{GoodsIndex, NameOf, folded_words};
use std::collections::HashMap;
use tillway_proto::Revision;
use uuid::Uuid;

const CHAIN: LayerNo = LayerNo(1);
const SHOP: LayerNo = LayerNo(2);

const DICTIONARY: Uuid = Uuid::from_u128(7);

fn name(kind: KindId, key: &str, code: &str, name: Option<&str>) -> NameOf {
    NameOf { kind, key: key.to_owned(), code: code.to_owned(), name: name.map(str::to_owned) }
}

fn item(code: &str, text: &str) -> NameOf {
    name(ITEM, code, code, Some(text))
}

fn found(index: &dyn GoodsIndex, text: &str) -> Vec<String> {
    index.find(&folded_words(text), 0, 50).unwrap().into_iter().map(|good| good.code).collect()
}

pub(super) fn goods_are_found_by_all_words_of_all_their_names(home: &dyn Home) {
    let index = home.open().goods;
    index.put(CHAIN, &[item("1", "Сыр мягкий 50%"), item("2", "Сыр твёрдый")], None).unwrap();
    index.put(SHOP, &[item("1", "Брынза"), name(BARCODE, "46\u{1f}2", "2", Some("Пармезан"))], None).unwrap();
    for (text, codes) in [
        ("сыр", &["1", "2"][..]),
        ("сыр мяг", &["1"]),
        ("мягкий бр", &["1"]),
        ("пармезан СЫР", &["2"]),
        ("5", &["1"]),
        ("мяг сыр", &[]),
        ("", &[]),
        ("\" OR *", &[]),
    ] {
        assert_eq!(found(index.as_ref(), text), codes, "{text}");
    }
    let one = &index.find(&folded_words("брынза"), 0, 50).unwrap()[0];
    assert_eq!(one.names, [(CHAIN, "Сыр мягкий 50%".to_owned()), (SHOP, "Брынза".to_owned())]);
}

pub(super) fn a_name_that_changes_or_goes_is_not_found_any_more(home: &dyn Home) {
    let index = home.open().goods;
    index.put(CHAIN, &[item("1", "Сыр"), item("2", "Соль")], None).unwrap();
    index.put(SHOP, &[item("1", "Сыр")], None).unwrap();
    index.put(CHAIN, &[item("1", "Масло"), name(ITEM, "2", "2", None), name(ITEM, "3", "3", None)], None).unwrap();
    assert_eq!([found(index.as_ref(), "сыр"), found(index.as_ref(), "масло")], [["1"], ["1"]], "the shop's stays");
    assert_eq!(found(index.as_ref(), "соль"), Vec::<String>::new());
    index.put(SHOP, &[name(ITEM, "1", "1", None)], None).unwrap();
    assert_eq!(found(index.as_ref(), "сыр"), Vec::<String>::new());
    index.put(CHAIN, &[item("2", "Соль")], None).unwrap();
    assert_eq!(found(index.as_ref(), "соль"), ["2"], "it comes back");
}

pub(super) fn a_list_of_goods_goes_on_behind_a_number(home: &dyn Home) {
    let index = home.open().goods;
    let names: Vec<_> = (0..9).map(|n| item(&n.to_string(), "Сок")).collect();
    index.put(CHAIN, &names, None).unwrap();
    let (mut after, mut codes) = (0, Vec::new());
    loop {
        let part = index.find(&folded_words("сок"), after, 4).unwrap();
        let Some(last) = part.last() else { break };
        after = last.number;
        codes.extend(part.into_iter().map(|good| good.code));
    }
    assert_eq!(codes, ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
}

pub(super) fn it_is_known_up_to_where_names_were_read_and_of_which_dictionary(home: &dyn Home) {
    let index = home.open().goods;
    assert_eq!(index.read_to(DICTIONARY).unwrap(), HashMap::new());
    index.put(CHAIN, &[item("1", "Сыр"), item("2", "Соль"), item("3", "Сок")], None).unwrap();
    assert_eq!(index.read_to(DICTIONARY).unwrap(), HashMap::new(), "it is not read to its end");
    index.put(CHAIN, &[], Some(Revision(5))).unwrap();
    index.put(SHOP, &[], Some(Revision(6))).unwrap();
    let range = |after, last| index.names(CHAIN, ITEM, after, last).unwrap().into_keys().collect::<Vec<_>>();
    assert_eq!(range(None, None), ["1", "2", "3"]);
    assert_eq!(range(Some("1"), Some("2")), ["2"]);
    assert!(index.names(SHOP, ITEM, None, None).unwrap().is_empty());
    drop(index);
    let index = home.open().goods;
    let read = HashMap::from([(CHAIN, Revision(5)), (SHOP, Revision(6))]);
    assert_eq!(index.read_to(DICTIONARY).unwrap(), read, "also after a restart");
    index.forget(SHOP).unwrap();
    assert_eq!(index.read_to(DICTIONARY).unwrap().len(), 1);
    assert_eq!(found(index.as_ref(), "сыр"), ["1"]);
    assert_eq!(index.read_to(Uuid::from_u128(8)).unwrap(), HashMap::new(), "another dictionary");
    assert_eq!(found(index.as_ref(), "сыр"), Vec::<String>::new());
}
