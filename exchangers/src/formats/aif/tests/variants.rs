//! What producers write differently and means the same.

use super::*;

const UNIT: &str = r#"{"command":"addUnit","unit":{"unitCode":796,"name":"шт","fractional":false}}"#;
const PRETTY: &str = "{\n  \"command\": \"addUnit\",\n  \"unit\": {\n    \"unitCode\": 796,\n    \"name\": \"шт\",\n    \"fractional\": false\n  }\n}";

fn verbs(records: Vec<Record>) -> Vec<&'static str> {
    let verb = |command| match command {
        Command::Clear { verb, .. } | Command::Delete { verb, .. } | Command::Upsert(Expansion { verb, .. }) => verb,
    };
    commands(records).into_iter().map(verb).collect()
}

#[test]
fn one_line_and_pretty_printed_records_are_the_same() {
    assert_eq!(commands(read(format!("{UNIT}\n---\n"))), commands(read(format!("{PRETTY}\n---\n"))));
}

#[test]
fn bom_crlf_blank_lines_empty_records_wrapper_lines_and_a_missing_last_separator_change_nothing() {
    let clear = r#"{"command":"clearUnit"}"#;
    let expected = ["clearUnit", "addUnit"];
    for input in [
        format!("{clear}\n---\n{UNIT}\n---\n"),
        format!("{clear}\n---\n{UNIT}\n---"),
        format!("{clear}\n---\n{UNIT}\n"),
        format!("{clear}\n---\n{UNIT}"),
        format!("\u{feff}{clear}\n---\n{UNIT}\n---\n"),
        format!("{clear}\r\n---\r\n{PRETTY}\r\n---\r\n").replace("\r\n", "\n").replace('\n', "\r\n"),
        format!("\n\n  \n{clear}\n\n---\n\n{UNIT}\n\n---\n\n"),
        format!("---\n---\n{clear}\n---\n---\n---\n{UNIT}\n---\n---\n"),
        format!("{clear}\n  --- \t\n{UNIT}\n"),
        format!("### data begin ###\n{clear}\n---\n{UNIT}\n---\n### data end ###\n"),
        format!("\u{feff}### data begin ###\r\n{clear}\r\n---\r\n{UNIT}\r\n### data end ###"),
        format!("###begin###\n{clear}\n###end###\n### shift info begin ###\n{UNIT}\n### shift info end ###\n"),
    ] {
        assert_eq!(verbs(read(&input)), expected, "{input:?}");
    }
    for empty in ["", "\n", "---\n", "---", "\u{feff}", "### data begin ###\n### data end ###\n"] {
        assert_eq!(read(empty), [], "{empty:?}");
    }
}

#[test]
fn a_separator_inside_a_string_is_text() {
    let input = "{\"command\":\"addUnit\",\"unit\":{\"unitCode\":1,\"name\":\"a---b\\n---\\n\"}}\n---\n{\"command\":\"addUnit\",\n\"unit\":{\"unitCode\":2,\"name\":\n\"---\"}}";
    let rows: Vec<_> = commands(read(input))
        .into_iter()
        .map(|command| match command {
            Command::Upsert(expansion) => shown(&expansion.main),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(rows, [r#"unit {"unitCode":1,"name":"a---b\n---\n"}"#, r#"unit {"unitCode":2,"name":"---"}"#]);
}

#[test]
fn positions_are_those_of_the_first_byte_of_a_record() {
    let records = read("\u{feff}\n{\"command\":\"clearUnit\"}\n---\n\n  {\"command\":\n\"clearUnit\"}\n---\n[]\n");
    let positions: Vec<_> = records.iter().map(|record| (record.line, record.byte)).collect();
    assert_eq!(positions, [(2, 4), (5, 35), (8, 64)]);
    let records = read_array("\u{feff} [\n{\"command\":\"clearUnit\"},\n  {\"command\":\n\"clearUnit\"},7]");
    let positions: Vec<_> = records.iter().map(|record| (record.line, record.byte)).collect();
    assert_eq!(positions, [(2, 6), (3, 33), (4, 58)]);
}

#[test]
fn an_array_holds_the_same_commands() {
    let expected = verbs(read(format!("{{\"command\":\"clearUnit\"}}\n---\n{UNIT}")));
    for input in [
        format!("[{{\"command\":\"clearUnit\"}},{UNIT}]"),
        format!("\u{feff}[\r\n{{\"command\":\"clearUnit\"}}\r\n,\r\n{PRETTY}\r\n]\r\n"),
        format!("[,{{\"command\":\"clearUnit\"}},,{UNIT},]"),
    ] {
        assert_eq!(verbs(read_array(&input)), expected, "{input:?}");
    }
    assert_eq!(read_array("[]"), []);
    assert_eq!(read_array(" [ \n ] \n"), []);
    let text = r#"[{"command":"addUnit","unit":{"unitCode":1,"name":"],}\\\"[{\\"}}]"#;
    assert_eq!(verbs(read_array(text)), ["addUnit"]);
}

#[test]
fn names_compare_without_case_and_the_payload_may_come_first() {
    let expected =
        expansion(r#"{"command":"addBarcode","barcode":{"barcode":"46","code":"7","measurecode":1,"minprice":5}}"#);
    for record in [
        r#"{"barcode":{"barcode":"46","code":"7","measurecode":1,"minprice":5},"command":"addBarcode"}"#,
        r#"{"COMMAND":"ADDBARCODE","Barcode":{"BARCODE":46,"Code":7,"measureCode":"1","minPrice":"5.00"}}"#,
        r#"{"command":"addbarcode","barcode":{"barcode":"46","code":"7","measure":1,"minprice":5.0,"name":null}}"#,
    ] {
        assert_eq!(expansion(record), expected, "{record}");
    }
}

#[test]
fn unknown_fields_are_kept_in_canonical_form() {
    let record = r#"{"command":"addUnit","unit":{"z":{"b":1.50,"a":[null]},"unitCode":1,"a":"\u0410"},"source":"1C"}"#;
    assert_eq!(
        shown(&expansion(record).main),
        r#"unit {"unitCode":1,"a":"А","source":"1C","z":{"a":[null],"b":1.50}}"#
    );
}

#[test]
fn an_item_brings_its_barcodes_and_prices() {
    let record = r#"{"command":"addInventItem","invent":{
        "additionalprices":[{"pricecode":1,"price":9,"name":"wholesale"}],
        "barcodes":[{"barcode":"460","price":10.5,"code":"other","additionalprices":[{"pricecode":2,"price":"8"}]},
            {"barcode":"461","cquant":"0.5"}, "462"],
        "inventcode":100, "barcode":"460", "name":"Tea", "price":11, "options":{ "b":1, "a":2 }}}"#;
    let expansion = expansion(record);
    assert_eq!(
        shown_all(&expansion),
        [
            r#"item {"inventcode":"100","barcode":"460","name":"Tea","price":11.00,"options":{"a":2,"b":1}}"#,
            r#"barcode {"barcode":"460","code":"100","price":10.50}"#,
            r#"barcode {"barcode":"461","code":"100","cquant":0.500}"#,
            r#"barcode {"barcode":"462","code":"100"}"#,
            r#"additionalprice {"barcode":"100","pricecode":1,"price":9.00,"pricename":"wholesale"}"#,
            r#"additionalprice {"barcode":"460","pricecode":2,"price":8.00}"#,
        ]
    );
    assert_eq!(expansion.replaces, [kind("barcode"), kind("additionalprice")]);
    assert_eq!(expansion.main.key.as_str(), "100");
    assert_eq!(expansion.owned[0].key.as_str(), "460\u{1f}100");
}

#[test]
fn an_absent_array_replaces_nothing_and_an_empty_one_everything() {
    let item = |more: &str| {
        expansion(&format!(r#"{{"command":"addInventItem","invent":{{"inventcode":"1","barcode":"46"{more}}}}}"#))
    };
    let absent = item("");
    assert_eq!((absent.owned.len(), absent.replaces.len()), (1, 0));
    assert_eq!(item(r#","barcodes":null"#), absent);
    let empty = item(r#","barcodes":[]"#);
    assert_eq!((empty.owned.len(), &empty.replaces[..]), (1, &[kind("barcode")][..]));
    assert_ne!(empty.bundle, absent.bundle);
    let none = expansion(r#"{"command":"addInventItem","invent":{"inventcode":"1","barcode":""}}"#);
    assert!(none.owned.is_empty());
}

#[test]
fn the_bundle_does_not_depend_on_the_order_in_which_rows_come() {
    let item = |barcodes: &str| {
        expansion(&format!(r#"{{"command":"addInventItem","invent":{{"inventcode":"1","barcodes":[{barcodes}]}}}}"#))
    };
    assert_eq!(item(r#""1","2""#), item(r#"{"barcode":2},{"barcode":"1"}"#));
    assert_ne!(item(r#""1","2""#).bundle, item(r#""1""#).bundle);
    assert_ne!(item(r#""1","2""#).bundle, item(r#""1",{"barcode":"2","price":1}"#).bundle);
}

#[test]
fn roles_hot_keys_and_marks_become_rows() {
    let cashier = r#"{"command":"addMCashUser","mcashuser":{"code":5,"name":"Anna","roleusers":[{"rolecode":1,"rule":1},{"rolecode":"2"}]}}"#;
    assert_eq!(
        shown_all(&expansion(cashier)),
        [
            r#"cashier {"code":"5","name":"Anna"}"#,
            r#"roleuser {"usercode":"5","rolecode":"1","rule":1}"#,
            r#"roleuser {"usercode":"5","rolecode":"2"}"#,
        ]
    );
    let hotkey = r#"{"command":"addHotKey","hotkey":{"hotkeycode":3,"hotkeyname":"Bags","inventcodes":["20",10]}}"#;
    assert_eq!(
        shown_all(&expansion(hotkey)),
        [
            r#"hotkey {"hotkeycode":3,"hotkeyname":"Bags"}"#,
            r#"hotkeyinvent {"hotkeycode":3,"inventcode":"10","itemorder":1}"#,
            r#"hotkeyinvent {"hotkeycode":3,"inventcode":"20","itemorder":0}"#,
        ]
    );
    let marks = r#"{"command":"addExciseMarksWhite","excisemarkswhite":{"excisemarkid":"m","barcodes":["46"]}}"#;
    assert_eq!(
        shown_all(&expansion(marks)),
        [r#"excisemark {"excisemarkid":"m"}"#, r#"excisemarkwhite {"excisemarkid":"m","barcode":"46"}"#]
    );
}

#[test]
fn clearing_and_deleting_verbs_name_what_they_mean() {
    let Command::Clear { verb, kinds } = command(r#"{"command":"CLEARinventory"}"#) else { panic!() };
    assert_eq!(verb, "clearInventory");
    assert_eq!(kinds, ["item", "barcode", "price", "additionalprice"].map(kind));
    let exact =
        |name: &str, parts: &[&str]| (kind(name), KeyMatch::Exact(ObjectKey::from_parts(parts.iter().copied())));
    let any = |name: &str, parts: &[&str]| {
        let part = |part: &&str| (*part != "*").then(|| (*part).to_owned());
        (kind(name), KeyMatch::Parts(parts.iter().map(part).collect()))
    };
    for (record, expected) in [
        (r#"{"command":"deleteInventItem","inventcode":100}"#, exact("item", &["100"])),
        (r#"{"command":"deleteInventItem","invent":{"inventCode":"100"}}"#, exact("item", &["100"])),
        (r#"{"command":"deleteBarcode","barcode":"46"}"#, any("barcode", &["46", "*"])),
        (r#"{"command":"deleteBarcode","barcode":"46","code":7}"#, exact("barcode", &["46", "7"])),
        (r#"{"command":"deleteBarcode","barcode":{"barcode":46}}"#, any("barcode", &["46", "*"])),
        (
            r#"{"command":"deletePrice","price":{"barcode":"46","documentid":"D1","doctype":1}}"#,
            exact("price", &["46", "1", "D1"]),
        ),
        (r#"{"command":"deletePrice","price":{"barcode":"46","documentid":"D1"}}"#, any("price", &["46", "*", "D1"])),
        (r#"{"command":"deletePrice","price":{"barcode":"46","doctype":2}}"#, any("price", &["46", "2", "*"])),
        (r#"{"command":"deletePrice","price":{"barcode":"46"}}"#, any("price", &["46", "*", "*"])),
        (
            r#"{"command":"deletePrice","price":{"barcode":"46","doctype":2,"documentid":""}}"#,
            exact("price", &["46", "2", ""]),
        ),
        (
            r#"{"command":"deletePrice","price":{"barcode":"46","doctype":null,"documentid":"D1"}}"#,
            exact("price", &["46", "0", "D1"]),
        ),
        (
            r#"{"command":"deleteAdditionalPrice","additionalprice":{"barcode":"46","pricecode":"2"}}"#,
            exact("additionalprice", &["46", "2"]),
        ),
        (r#"{"command":"deleteTmcScale","tmcscalecode":"5","tmccode":"7"}"#, exact("tmcscale", &["5", "7"])),
        (r#"{"command":"deletePicklist","code":"p"}"#, exact("picklist", &["p"])),
        (r#"{"command":"deleteExciseMarkWhite","excisemarkid":"m"}"#, exact("excisemark", &["m"])),
        (r#"{"command":"deleteCard","idcard":"9"}"#, exact("card", &["9"])),
    ] {
        let Command::Delete { kind, keys, .. } = command(record) else { panic!("{record}") };
        assert_eq!((kind, keys), expected, "{record}");
    }
}
