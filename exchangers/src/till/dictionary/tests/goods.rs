//! The rule of prices says what the view `goods` says.

use super::*;
use crate::goods::{BarcodeRow, ItemRow, PriceRow, price_at};

/// Whatever prices an item, its barcode and five documents have.
fn rows() -> impl Strategy<Value = Overlay> {
    let own = || proptest::option::of(0_i64..3);
    let time = || proptest::option::of(1_u8..5);
    let document = (any::<bool>(), 0_i64..3, 0_u8..3, own(), time(), time());
    (own(), own(), proptest::collection::vec(document, 0..5)).prop_map(|(item, barcode, documents)| {
        let mut overlay = Overlay::default();
        let money = |price: Option<i64>| price.map_or(Value::Null, Value::Integer);
        let day = |day: Option<u8>| day.map_or(Value::Null, |day| text(&format!("2017-01-0{day}T12:00:00")));
        overlay.put(kind("item"), &[("inventcode", text("1")), ("price", money(item))], None);
        overlay.put(kind("barcode"), &[("barcode", text("46")), ("code", text("1")), ("price", money(barcode))], None);
        for (of_item, document_type, number, price, from, until) in documents {
            let fields = [
                ("barcode", text(if of_item { "1" } else { "46" })),
                ("doctype", Value::Integer(document_type)),
                ("documentid", text(&number.to_string())),
                ("price", money(price)),
                ("effectivedate", day(from)),
                ("effectivedateend", day(until)),
            ];
            overlay.put(kind("price"), &fields, None);
        }
        overlay
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_price_is_the_one_of_the_view(overlay in rows()) {
        let mut till = Till::new();
        till.load_full(1, &overlay);
        let shelf = till.shelf();
        let of = |name: &str| {
            let id = kind(name).id();
            overlay.0.iter().filter(move |((kind, _), _)| *kind == id).map(|(_, body)| body)
        };
        let item = ItemRow::decode(of("item").next().unwrap()).unwrap();
        let barcode = BarcodeRow::decode(of("barcode").next().unwrap()).unwrap();
        let prices: Vec<_> = of("price").map(|body| PriceRow::decode(body).unwrap()).collect();
        let prices: Vec<_> = prices.iter().map(|row| (row, ())).collect();
        for day in 1..6 {
            for hour in [11, 12, 13] {
                let at = datetime(2017, 1, day, hour, 0, 0, 0);
                let told = |barcode| price_at((&item, ()), barcode, &prices, at).map(|priced| priced.price);
                prop_assert_eq!(told(Some((&barcode, ()))), shelf.by_barcode("46", at).unwrap()[0].price);
                prop_assert_eq!(told(None), shelf.by_code("1", at).unwrap().unwrap().price);
            }
        }
    }
}
