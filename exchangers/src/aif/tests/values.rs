//! Loose values, exact rows.

use super::*;

/// The value that an item's field gets, as JSON, or the reason why it gets none.
fn taken(field: &str, value: &str) -> String {
    let record = format!(r#"{{"command":"addInventItem","invent":{{"inventcode":"1","{field}":{value}}}}}"#);
    match read(record).remove(0).command {
        Ok(Command::Upsert(expansion)) => {
            let row = shown(&expansion.main);
            let rest = row.strip_prefix(r#"item {"inventcode":"1""#).unwrap().strip_suffix('}').unwrap();
            rest.split_once(':').map_or("absent", |(_, value)| value).to_owned()
        }
        Ok(other) => panic!("{other:?}"),
        Err(reject) => reject.reason,
    }
}

#[test]
fn loose_values_become_exact_ones() {
    for (field, value, expected) in [
        ("price", "12", "12.00"),
        ("price", "\"12.5\"", "12.50"),
        ("price", "59.900000000000006", "59.90"),
        ("price", "1.25e1", "12.50"),
        ("price", "\" -3.1 \"", "-3.10"),
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
    let shown_long = "ж".repeat(40);
    for (field, value, expected) in [
        ("price", "\"abc\"", "field `price`: `abc` is not a number"),
        ("price", "\"12,50\"", "field `price`: `12,50` is not a number"),
        ("price", "12.345", "field `price`: `12.345` has more than 2 digits after the point"),
        ("price", "100000000000", "field `price`: `100000000000` has more than 11 digits before the point"),
        ("price", "1e30", "field `price`: `1e30` is too large"),
        ("price", "true", "field `price`: `true` is not a number"),
        ("price", "{\"a\":1}", "field `price`: `{\"a\":1}` is not a number"),
        ("deptcode", "\"x\"", "field `deptcode`: `x` is not a whole number"),
        ("deptcode", "1.5", "field `deptcode`: `1.5` is not a whole number"),
        ("inventgroup", "1.5", "field `inventgroup`: `1.5` is not a code"),
        ("inventgroup", "false", "field `inventgroup`: `false` is not a code"),
        ("name", "[]", "field `name`: `[]` is not a text"),
        ("isInventItem", "2", "field `isInventItem`: `2` is not true, false, 0 or 1"),
        ("remaindate", "\"01.02.2024\"", "field `remaindate`: `01.02.2024` is not a time YYYY-MM-DDTHH:MM:SS"),
        ("remaindate", "\"2024-02-30\"", "field `remaindate`: `2024-02-30` is not a time YYYY-MM-DDTHH:MM:SS"),
        (
            "remaindate",
            "\"2024-02-03T00:00:00Z\"",
            "field `remaindate`: `2024-02-03T00:00:00Z` is not a time YYYY-MM-DDTHH:MM:SS",
        ),
        ("ISinventITEM", "\"yes\"", "field `isInventItem`: `yes` is not true, false, 0 or 1"),
        ("name", &long, &format!("field `name`: `{shown_long}…` has 201 characters, at most 200 are allowed")),
        (
            "barcodes",
            "[{\"barcode\":\"1\"},{\"barcode\":\"2\",\"price\":\"x\"}]",
            "barcodes[1]: field `price`: `x` is not a number",
        ),
        ("barcodes", "[{\"name\":\"x\"}]", "barcodes[0]: key field `barcode` is missing"),
        ("barcodes", "[[1]]", "barcodes[0]: field `barcodes`: expected objects in an array"),
        ("additionalprices", "7", "field `additionalprices`: expected objects in an array"),
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
    assert_eq!(reject(client), "line 1, byte 0, addClient 1: field `birthday`: `1990-13-01` is not a date YYYY-MM-DD");
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
fn of_a_field_that_comes_twice_the_last_value_counts() {
    let unit = r#"{"command":"addUnit","unit":{"unitCode":1,"name":"a","NAME":"b","name":null,"x":1,"x":2}}"#;
    assert_eq!(shown(&expansion(unit).main), r#"unit {"unitCode":1,"name":"b","x":2}"#);
    let item = r#"{"command":"addInventItem","invent":{"inventcode":"1","barcodes":["1"],"barcodes":["2"]}}"#;
    let owned: Vec<_> = expansion(item).owned.iter().map(|row| row.key.to_string()).collect();
    assert_eq!(owned, ["2/1"]);
}
