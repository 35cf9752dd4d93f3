//! Loose values, exact rows.

use super::*;

/// The value that an item's field gets, as JSON, or the reason why it gets none.
fn taken(field: &str, value: &str) -> String {
    let key = if field == "inventcode" { "" } else { r#""inventcode":"1","# };
    let record = format!(r#"{{"command":"addInventItem","invent":{{{key}"{field}":{value}}}}}"#);
    match read(record).remove(0).command {
        Ok(Command::Upsert(expansion)) => {
            let odd = expansion.warnings.iter().find(|warning| warning.what != WarningKind::NoName);
            if let Some(Warning { field, what, .. }) = odd {
                return match what {
                    WarningKind::EntryRejected { reason } => format!("{field} rejected: {reason}"),
                    WarningKind::ValueLeftOut { reason } => format!("{field} left out: {reason}"),
                    other => format!("{field} {}", word(other)),
                };
            }
            let row = shown(&expansion.main);
            let rest = row.strip_prefix(r#"item {"inventcode":"1""#).unwrap().strip_suffix('}').unwrap();
            rest.split_once(':').map_or("absent", |(_, value)| value).to_owned()
        }
        Ok(other) => panic!("{other:?}"),
        Err(reject) => reject.reason.to_string(),
    }
}

#[test]
fn loose_values_become_exact_ones() {
    for (field, value, expected) in [
        ("price", "12", "12.00"),
        ("price", "\"12.5\"", "12.50"),
        ("price", "59.900000000000006", "59.90"),
        ("price", "1.25e1", "12.50"),
        ("price", "\"\"", "absent"),
        ("price", "null", "absent"),
        ("price", "99999999999.99", "99999999999.99"),
        ("cquant", "0.125", "0.125"),
        ("remain", "\"1.2345\"", "1.2345"),
        ("alcoholpercent", "4.5", "4.50"),
        ("deptcode", "\"7\"", "7"),
        ("deptcode", "7.0", "7"),
        ("deptcode", "\"\"", "absent"),
        ("inventgroup", "42", "\"42\""),
        ("inventgroup", "42.0", "\"42\""),
        ("inventgroup", "\" 0042 \"", "\"0042\""),
        ("inventgroup", "12345678901234567890123", "\"12345678901234567890123\""),
        ("name", "5", "\"5\""),
        ("name", "\"\"", "\"\""),
        ("name", "\" \\u0422\\/\\t \"", "\" Т/\\t \""),
        ("isInventItem", "true", "true"),
        ("isInventItem", "0", "false"),
        ("isInventItem", "\"1\"", "true"),
        ("isInventItem", "\"False\"", "false"),
        ("isInventItem", "\"\"", "absent"),
        ("remaindate", "\"2024-02-29\"", "\"2024-02-29T00:00:00\""),
        ("remaindate", "\"2024-02-29T10:20:30\"", "\"2024-02-29T10:20:30\""),
        ("remaindate", "\"2024-02-29 10:20:30.500\"", "\"2024-02-29T10:20:30\""),
        ("remaindate", "\"\"", "absent"),
        ("options", "{ \"b\" : 1 , \"a\" : {} }", r#"{"a":{},"b":1}"#),
        ("options", "\"\"", "absent"),
    ] {
        assert_eq!(taken(field, value), expected, "{field}: {value}");
    }
}

#[test]
fn wrong_values_are_told_with_field_and_value() {
    let long = format!("\"{}\"", "ж".repeat(201));
    for (field, value, expected) in [
        ("price", "\"abc\"", "field `price`: `abc` is not a number"),
        ("price", "\"12,50\"", "field `price`: `12,50` is not a number"),
        ("price", "12.345", "field `price`: `12.345` has more than 2 digits after the point"),
        ("price", "100000000000", "field `price`: `100000000000` has more than 11 digits before the point"),
        ("price", "1e30", "field `price`: `1e30` is too large"),
        ("price", "true", "field `price`: `true` is not a number"),
        ("price", "{\"a\":1}", "field `price`: `{\"a\":1}` is not a number"),
        ("taxgroupcode", "\"x\"", "field `taxgroupcode`: `x` is not a whole number"),
        ("deptcode", "\"x\"", "deptcode left out: field `deptcode`: `x` is not a whole number"),
        ("deptcode", "1.5", "deptcode left out: field `deptcode`: `1.5` is not a whole number"),
        ("inventgroup", "1.5", "inventgroup left out: field `inventgroup`: `1.5` is not a code"),
        ("inventgroup", "false", "inventgroup left out: field `inventgroup`: `false` is not a code"),
        ("name", "[]", "name left out: field `name`: `[]` is not a text"),
        ("isInventItem", "2", "isInventItem left out: field `isInventItem`: `2` is not true, false, 0 or 1"),
        (
            "remaindate",
            "\"01.02.2024\"",
            "remaindate left out: field `remaindate`: `01.02.2024` is not a time YYYY-MM-DDTHH:MM:SS",
        ),
        (
            "remaindate",
            "\"2024-02-30\"",
            "remaindate left out: field `remaindate`: `2024-02-30` is not a time YYYY-MM-DDTHH:MM:SS",
        ),
        ("ISinventITEM", "\"yes\"", "isInventItem left out: field `isInventItem`: `yes` is not true, false, 0 or 1"),
        ("name", &long, "name text-cut"),
        ("price", "-1", "price negative-price"),
        (
            "barcodes",
            "[{\"barcode\":\"1\"},{\"barcode\":\"2\",\"price\":\"x\"}]",
            "barcodes[1].price rejected: field `price`: `x` is not a number",
        ),
        ("barcodes", "[{\"name\":\"x\"}]", "barcodes[0].barcode rejected: key field `barcode` is missing"),
        ("barcodes", "[[1]]", "barcodes[0] rejected: field `barcodes`: expected objects in an array"),
        ("additionalprices", "7", "additionalprices rejected: field `additionalprices`: expected objects in an array"),
        ("inventcode", "\"a\\u001fb\"", "field `inventcode`: a key must not hold U+001F"),
        (
            "inventcode",
            "\"123456789012345678901\"",
            "field `inventcode`: `123456789012345678901` has 21 characters, at most 20 are allowed",
        ),
    ] {
        assert_eq!(taken(field, value), expected, "{field}: {value}");
    }
    let client = r#"{"command":"addClient","client":{"idclient":1,"birthday":"1990-13-01"}}"#;
    let told = "field `birthday`, value `1990-13-01`: the value was left out: field `birthday`: `1990-13-01` is not a date \
                YYYY-MM-DD";
    assert_eq!(warnings(client), [told]);
}

#[test]
fn a_day_that_ends_something_is_in_it() {
    let price = r#"{"command":"addPrice","price":{"barcode":"46","price":5,"effectivedate":"2024-01-01","effectivedateend":"2024-01-31"}}"#;
    assert_eq!(
        shown(&expansion(price).main),
        concat!(
            r#"price {"barcode":"46","doctype":0,"documentid":"","price":5.00,"effectivedate":"2024-01-01T00:00:00","#,
            r#""effectivedateend":"2024-01-31T23:59:59"}"#
        )
    );
}

#[test]
fn of_a_field_that_comes_under_two_names_the_last_value_counts() {
    let item = r#"{"command":"addBarcode","barcode":{"barcode":"1","code":"2","measure":5,"measurecode":6,"inventcode":null}}"#;
    assert_eq!(shown(&expansion(item).main), r#"barcode {"barcode":"1","code":"2","measurecode":6}"#);
}

#[test]
fn one_name_twice_in_one_object_is_a_reject_wherever_it_stands() {
    for (record, name) in [
        (r#"{"command":"addUnit","unit":{"unitCode":1,"name":"a","NAME":"b"}}"#, "field `NAME`"),
        (r#"{"command":"addUnit","unit":{"unitCode":1,"x":1,"X":2}}"#, "field `X`"),
        (r#"{"command":"addUnit","unit":{"unitCode":1,"x":{"y":[{"z":1,"Z":1}]}}}"#, "a field comes twice"),
        (r#"{"command":"addUnit","unit":{"unitCode":1},"Unit":{"unitCode":2}}"#, "field `Unit`"),
        (r#"{"unit":{"unitCode":1},"UNIT":{"unitCode":2},"command":"addUnit"}"#, "field `UNIT`"),
        (r#"{"command":"addUnit","Command":"addUnit","unit":{"unitCode":1}}"#, "field `Command`"),
        (
            r#"{"command":"addInventItem","invent":{"inventcode":"1","barcodes":["1"],"barcodes":["2"]}}"#,
            "field `barcodes`",
        ),
        (
            r#"{"command":"addInventItem","invent":{"inventcode":"1","barcodes":[{"barcode":"1","price":1,"Price":2}]}}"#,
            "field `Price`",
        ),
        (
            r#"{"command":"addInventItem","invent":{"inventcode":"1","options":{"a":{"b":1,"B":2}}}}"#,
            "a field comes twice",
        ),
        (
            r#"{"command":"addTaxGroup","taxgroup":{"idtaxgroup":1,"taxes":[{"rate":1,"RATE":2}]}}"#,
            "a field comes twice",
        ),
        (r#"{"command":"deleteInventItem","inventcode":"1","INVENTCODE":"2"}"#, "field `INVENTCODE`"),
        (r#"{"command":"deletePrice","price":{"barcode":"1","barcode":"2"}}"#, "field `barcode`"),
    ] {
        let told = reject(record);
        assert!(told.contains(name) && told.contains("comes twice in one object"), "{record}: {told}");
    }
}

#[test]
fn of_a_record_whose_key_comes_twice_nobody_knows_which_object_it_meant() {
    let spares = |record: &str| rejects(read(record)).remove(0).spares;
    let twice = r#"{"command":"addInventItem","invent":{"inventcode":"1","Inventcode":"2"}}"#;
    assert_eq!(spares(twice), Spares::Kind(kind("item")));
    let verbs = r#"{"command":"addUnit","COMMAND":"addInventItem","unit":{"unitCode":1}}"#;
    assert_eq!(spares(verbs), Spares::Anything);
}

#[test]
fn what_is_no_json_is_told_in_words_that_help() {
    for (value, told) in [
        ("1e400", "a number is too large for readers of JSON"),
        ("{\"a\":[-1e+999]}", "a number is too large for readers of JSON"),
        ("NaN", "NaN and Infinity are not JSON: leave the field out, or write null"),
        ("Infinity", "NaN and Infinity are not JSON: leave the field out, or write null"),
        ("\"\\ud83d\"", "half of a surrogate pair in a string: it is no character"),
        ("\"\\udc00\\ud83d\"", "half of a surrogate pair in a string: it is no character"),
    ] {
        for field in ["price", "name", "options", "unknown"] {
            let record = format!(r#"{{"command":"addInventItem","invent":{{"inventcode":"1","{field}":{value}}}}}"#);
            assert!(reject(&record).ends_with(told), "{record}: {}", reject(&record));
        }
    }
    let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
    for field in ["options", "unknown", "barcodes"] {
        let record = format!(r#"{{"command":"addInventItem","invent":{{"inventcode":"1","{field}":{deep}}}}}"#);
        assert!(reject(&record).ends_with("nested too deeply"), "{field}: {}", reject(&record));
    }
    assert_eq!(taken("options", "{\"a\":1e300}"), "{\"a\":1e300}");
}
