//! Goods and what hangs on them: barcodes, prices, groups, units, taxes.

use crate::kinds::spec::{
    EXPANSION, Expansion, Field, Hanging, KindSpec, NOTHING, boolean, code, date_time, date_time_end, decimal, integer,
    json, long_text, money, quantity, text,
};

/// Longest barcode.
const BARCODE: usize = 100;
/// Longest code of an item.
const ITEM: usize = 20;
/// Longest name.
const NAME: usize = 200;
/// Longest of other codes, for which no limit is known.
const CODE: usize = 64;

/// When an item may not be sold.
const RESTRICTED: &[Field] = &[date_time("datestart"), date_time("dateend")];

/// What a tax is.
const TAXES: &[Field] = &[decimal("rate", 13, 4), boolean("changebase")];

/// A price is of a barcode or of an item's code.
const OF_ITEM_OR_BARCODE: &[Hanging] =
    &[Hanging { field: "barcode", kind: "item" }, Hanging { field: "barcode", kind: "barcode" }];

pub(super) const KINDS: &[KindSpec] = &[
    KindSpec {
        id: 1,
        name: "item",
        title: "Item (goods)",
        payload: "invent",
        add: Some("addInventItem"),
        delete: Some("deleteInventItem"),
        clear: &["clearInventory"],
        key: &["inventcode"],
        named_by: Some("name"),
        fields: &[
            code("inventcode", ITEM).column("code"),
            code("barcode", BARCODE).column("bcode"),
            text("name", NAME),
            text("rtext", NAME),
            text("articul", CODE),
            boolean("isInventItem").column("isinventitem"),
            code("inventgroup", CODE).column("groupcode"),
            money("price"),
            money("minprice"),
            money("minretailprice"),
            integer("deptcode").column("dcode"),
            integer("taxgroupcode").column("vatcode1").strict(),
            integer("measurecode").column("measure").alias(&["measure"]),
            integer("opmode").column("op_mode").alias(&["op_mode"]).strict(),
            quantity("defaultquantity").column("quantdefault").alias(&["quantdefault"]),
            quantity("cquant").strict(),
            decimal("remain", 13, 4),
            date_time("remaindate"),
            integer("discautoscheme"),
            integer("taramode").column("tara_mode"),
            quantity("taracapacity").column("tara_default"),
            quantity("unitweight").column("unit_weight").alias(&["unit_weight"]),
            integer("age").strict(),
            decimal("alcoholpercent", 4, 2),
            integer("alctypecode"),
            code("inn", CODE),
            code("kpp", CODE),
            integer("paymentobject").strict(),
            code("manufacturercountrycode", CODE),
            integer("loyaltymode"),
            text("ntin", CODE),
            code("aspectschemecode", CODE),
            code("aspectvaluesetcode", CODE),
            integer("aspectusecase"),
            integer("aspectselectionrule"),
            json("sellrestrictperiods").entries(RESTRICTED),
            json("options"),
            text("extendedoptions", 65_535),
        ],
        expansions: &[
            Expansion {
                field: "barcode",
                kind: "barcode",
                scalar: Some("barcode"),
                inherit: &[("code", "inventcode")],
                replaces: false,
                ..EXPANSION
            },
            Expansion {
                field: "barcodes",
                kind: "barcode",
                scalar: Some("barcode"),
                inherit: &[("code", "inventcode")],
                ..EXPANSION
            },
            Expansion {
                field: "additionalprices",
                kind: "additionalprice",
                inherit: &[("barcode", "inventcode")],
                ..EXPANSION
            },
        ],
        table: "tmc",
        indexes: &[&["bcode"], &["name"], &["groupcode"], &["articul"]],
        ..NOTHING
    },
    KindSpec {
        id: 2,
        name: "barcode",
        title: "Barcode of an item",
        payload: "barcode",
        add: Some("addBarcode"),
        delete: Some("deleteBarcode"),
        clear: &["clearInventory", "clearBarcode"],
        key: &["barcode", "code"],
        fields: &[
            code("barcode", BARCODE),
            code("code", ITEM).alias(&["inventcode"]),
            text("name", NAME),
            money("price"),
            money("minprice"),
            money("minretailprice"),
            quantity("cquant").strict(),
            integer("measurecode").column("measure").alias(&["measure"]),
            quantity("quantdefault"),
            integer("packingmeasure"),
            money("packingprice"),
            integer("tmctype"),
            text("ntin", CODE),
            code("aspectvaluesetcode", CODE),
            text("customsdeclarationnumber", 32),
        ],
        expansions: &[Expansion {
            field: "additionalprices",
            kind: "additionalprice",
            inherit: &[("barcode", "barcode")],
            ..EXPANSION
        }],
        first_key_is_unique: true,
        hangs_on: &[Hanging { field: "code", kind: "item" }],
        table: "barcodes",
        indexes: &[&["code"]],
        ..NOTHING
    },
    KindSpec {
        id: 3,
        name: "price",
        title: "Price of a barcode or an item, by document",
        payload: "price",
        add: Some("addPrice"),
        delete: Some("deletePrice"),
        delete_in_payload: true,
        clear: &["clearInventory", "clearPrice"],
        key: &["barcode", "doctype", "documentid"],
        // Documents of other nodes have other numbers: a group's prices of a barcode stand for
        // those of the chain.
        overrides_by: 1,
        fields: &[
            code("barcode", BARCODE),
            integer("doctype").optional(),
            code("documentid", CODE).optional(),
            money("price"),
            money("minprice"),
            integer("pricetype"),
            date_time("effectivedate").strict(),
            date_time_end("effectivedateend").strict(),
        ],
        hangs_on: OF_ITEM_OR_BARCODE,
        table: "price",
        ..NOTHING
    },
    KindSpec {
        id: 4,
        name: "additionalprice",
        title: "Additional price of a barcode or an item",
        payload: "additionalPrice",
        add: Some("addAdditionalPrice"),
        delete: Some("deleteAdditionalPrice"),
        delete_in_payload: true,
        clear: &["clearInventory", "clearAdditionalPrice"],
        key: &["barcode", "pricecode"],
        fields: &[
            code("barcode", BARCODE),
            integer("pricecode"),
            money("price"),
            text("pricename", NAME).alias(&["name"]),
            date_time("effectivedate").strict(),
        ],
        hangs_on: OF_ITEM_OR_BARCODE,
        table: "additionalprice",
        ..NOTHING
    },
    KindSpec {
        id: 5,
        name: "inventgroup",
        title: "Group of items",
        payload: "inventGroup",
        add: Some("addInventGroup"),
        delete: Some("deleteInventGroup"),
        clear: &["clearInventGroup"],
        ours: &["deleteInventGroup"],
        key: &["groupCode"],
        fields: &[
            code("groupCode", CODE).column("groupcode"),
            text("groupname", NAME),
            code("parentGroupCode", CODE).column("parentgroupcode"),
        ],
        inside: Some("parentGroupCode"),
        table: "inventgroup",
        indexes: &[&["parentgroupcode"]],
        ..NOTHING
    },
    KindSpec {
        id: 6,
        name: "unit",
        title: "Unit of measure",
        payload: "unit",
        add: Some("addUnit"),
        delete: Some("deleteUnit"),
        clear: &["clearUnit"],
        ours: &["deleteUnit"],
        key: &["unitCode"],
        fields: &[
            integer("unitCode").column("code"),
            text("name", NAME),
            integer("flag"),
            boolean("fractional").column("frunit"),
        ],
        table: "units",
        ..NOTHING
    },
    KindSpec {
        id: 7,
        name: "taxgroup",
        title: "Group of taxes",
        payload: "taxGroup",
        add: Some("addTaxGroup"),
        delete: Some("deleteTaxGroup"),
        clear: &["clearTaxGroup"],
        ours: &["deleteTaxGroup", "clearTaxGroup"],
        key: &["idTaxGroup"],
        fields: &[integer("idTaxGroup").column("idtaxgroup"), json("taxes").entries(TAXES)],
        table: "taxgroup",
        ..NOTHING
    },
    KindSpec {
        id: 8,
        name: "country",
        title: "Country",
        payload: "country",
        add: Some("addCountry"),
        delete: Some("deleteCountry"),
        clear: &["clearCountry"],
        ours: &["deleteCountry", "clearCountry"],
        key: &["code"],
        fields: &[code("code", CODE), text("name", NAME)],
        table: "country",
        ..NOTHING
    },
    KindSpec {
        id: 9,
        name: "catalog",
        title: "Catalogue",
        payload: "catalog",
        add: Some("addCatalog"),
        delete: Some("deleteCatalog"),
        clear: &["clearCatalog"],
        ours: &["deleteCatalog", "clearCatalog"],
        key: &["catalogid"],
        fields: &[code("catalogid", CODE), text("catalogname", NAME), code("type", CODE)],
        table: "catalog",
        ..NOTHING
    },
    KindSpec {
        id: 10,
        name: "inventcatalog",
        title: "Item in a catalogue",
        payload: "inventcatalog",
        add: Some("addInventCatalog"),
        delete: Some("deleteInventCatalog"),
        clear: &["clearInventCatalog"],
        ours: &["deleteInventCatalog"],
        key: &["tmccode", "catalogId"],
        fields: &[
            code("tmccode", ITEM),
            code("catalogId", CODE).column("catalogid").optional(),
            money("tmcprice"),
            long_text("image"),
        ],
        hangs_on: &[Hanging { field: "tmccode", kind: "item" }],
        table: "inventcatalog",
        indexes: &[&["catalogid"]],
        ..NOTHING
    },
    KindSpec {
        id: 11,
        name: "medicine",
        title: "Batch of a medicine",
        payload: "medicine",
        add: Some("addMedicine"),
        delete: Some("deleteMedicine"),
        clear: &["clearMedicine"],
        ours: &["deleteMedicine"],
        key: &["code"],
        fields: &[
            code("code", CODE),
            code("party", CODE),
            code("barcode", BARCODE),
            date_time("supplydate"),
            text("shelflife", CODE),
            text("series", NAME),
            text("producer", NAME),
            money("price"),
            text("inn", NAME),
            quantity("cquant").strict(),
            quantity("remainquant"),
            quantity("packquant"),
            date_time("remaindatetime"),
            code("countrycode", CODE),
            json("options"),
            code("dictcode", CODE),
            text("dictname", NAME),
            text("rating", CODE),
            text("bonusonsale", CODE),
            text("row", CODE),
            text("shelf", CODE),
        ],
        table: "medicine",
        indexes: &[&["barcode"]],
        ..NOTHING
    },
    KindSpec {
        id: 12,
        name: "excisemark",
        title: "Excise mark that may be sold",
        payload: "excisemarkswhite",
        add: Some("addExciseMarksWhite"),
        delete: Some("deleteExciseMarkWhite"),
        clear: &["clearExciseMarkWhite"],
        key: &["excisemarkid"],
        fields: &[code("excisemarkid", 255), code("shopcode", CODE), text("excisetype", CODE)],
        expansions: &[Expansion {
            field: "barcodes",
            kind: "excisemarkwhite",
            scalar: Some("barcode"),
            inherit: &[("excisemarkid", "excisemarkid"), ("shopcode", "shopcode"), ("excisetype", "excisetype")],
            ..EXPANSION
        }],
        table: "excisemark",
        ..NOTHING
    },
    KindSpec {
        id: 13,
        name: "excisemarkwhite",
        title: "Barcode of an excise mark that may be sold",
        payload: "excisemarkwhite",
        clear: &["clearExciseMarkWhite"],
        key: &["excisemarkid", "barcode"],
        fields: &[
            code("excisemarkid", 255),
            code("barcode", BARCODE),
            code("shopcode", CODE),
            text("excisetype", CODE),
        ],
        table: "excisemarkwhite",
        indexes: &[&["barcode"]],
        ..NOTHING
    },
    KindSpec {
        id: 14,
        name: "aspectvalueset",
        title: "Set of values of an item's aspects (size, colour)",
        payload: "aspectvalueset",
        add: Some("addAspectValueSet"),
        delete: Some("deleteAspectValueSet"),
        clear: &["clearAspectValueSet"],
        ours: &["addAspectValueSet", "deleteAspectValueSet"],
        key: &["aspectvaluesetcode"],
        fields: &[
            code("aspectvaluesetcode", CODE),
            text("name", NAME),
            code("aspectschemecode", CODE),
            json("aspectvalues"),
        ],
        table: "aspectvalueset",
        ..NOTHING
    },
];
