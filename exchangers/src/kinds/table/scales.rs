//! Scales with labels, and what is picked by sight.

use crate::kinds::spec::{Hanging, KindSpec, NOTHING, boolean, code, days_or_date_time, integer, long_text, text};

const NAME: usize = 200;
const CODE: usize = 64;

pub(super) const KINDS: &[KindSpec] = &[
    KindSpec {
        id: 30,
        name: "picklist",
        title: "Entry or category of a pick list",
        payload: "picklist",
        add: Some("addPicklist"),
        delete: Some("deletePicklist"),
        clear: &["clearPicklist"],
        key: &["code"],
        fields: &[
            code("code", CODE),
            text("name", NAME),
            long_text("image"),
            code("parent", CODE),
            code("tmccode", CODE),
            code("barcode", 100),
            integer("itemorder"),
            boolean("is_category"),
        ],
        inside: Some("parent"),
        table: "picklist",
        indexes: &[&["parent"]],
        ..NOTHING
    },
    KindSpec {
        id: 31,
        name: "tmcscale",
        title: "Item on scales",
        payload: "tmcscale",
        add: Some("addTmcScale"),
        delete: Some("deleteTmcScale"),
        clear: &["clearTmcScale"],
        key: &["tmcscalecode", "tmccode"],
        fields: &[
            code("tmcscalecode", 5),
            code("tmccode", CODE),
            code("tmcscalegroupcode", CODE),
            integer("plu"),
            text("ingredients", 1000),
            text("manufacturer", 1000),
            text("prefix", CODE),
            days_or_date_time("produceddate"),
            integer("sellbydate"),
            integer("sellbytime"),
        ],
        hangs_on: &[Hanging { field: "tmccode", kind: "item" }],
        table: "tmcscale",
        indexes: &[&["tmccode"], &["tmcscalegroupcode"]],
        ..NOTHING
    },
    KindSpec {
        id: 32,
        name: "tmcscalegroup",
        title: "Group of scales",
        payload: "tmcscalegroup",
        add: Some("addTmcScaleGroup"),
        delete: Some("deleteTmcScaleGroup"),
        clear: &["clearTmcScaleGroup"],
        ours: &["deleteTmcScaleGroup"],
        key: &["tmcscalegroupcode"],
        fields: &[code("tmcscalegroupcode", CODE), text("groupname", NAME), text("description", 1000)],
        table: "tmcscalegroup",
        ..NOTHING
    },
    KindSpec {
        id: 33,
        name: "tmcscaleimage",
        title: "Image of an item on scales",
        payload: "tmcscaleimage",
        add: Some("addTmcScaleImage"),
        delete: Some("deleteTmcScaleImage"),
        clear: &["clearTmcScaleImage"],
        ours: &["deleteTmcScaleImage", "clearTmcScaleImage"],
        key: &["plu", "tmcscalegroupcode"],
        fields: &[
            integer("plu"),
            code("tmcscalegroupcode", CODE).optional(),
            long_text("image"),
            text("extension", 16),
        ],
        table: "tmcscaleimage",
        ..NOTHING
    },
];
