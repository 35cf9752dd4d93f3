//! Customers: cards, their groups and accounts, discounts.

use crate::kinds::spec::{
    KindSpec, NOTHING, boolean, code, date, date_time, date_time_end, decimal, integer, json, money, text,
};

const NAME: usize = 200;
const CODE: usize = 64;

pub(super) const KINDS: &[KindSpec] = &[
    KindSpec {
        id: 20,
        name: "cardgroup",
        title: "Group of cards",
        payload: "cardGroup",
        add: Some("addCardGroup"),
        delete: Some("deleteCardGroup"),
        clear: &["clearCardGroup"],
        ours: &["deleteCardGroup", "clearCardGroup"],
        key: &["idcardgroup"],
        fields: &[
            code("idcardgroup", CODE),
            text("name", NAME),
            text("text", 1000),
            integer("cardmode").strict(),
            boolean("notaddemptycard").strict(),
            text("pattern", NAME),
            integer("inputmask"),
        ],
        table: "cardgroup",
        ..NOTHING
    },
    KindSpec {
        id: 21,
        name: "card",
        title: "Card of a customer",
        payload: "card",
        add: Some("addCard"),
        delete: Some("deleteCard"),
        clear: &["clearCard"],
        ours: &["clearCard"],
        key: &["idcard"],
        fields: &[
            code("idcard", CODE),
            code("idcardgroup", CODE),
            code("idclient", CODE),
            code("number", 255),
            date_time("validitydatebeg").strict(),
            date_time_end("validitydateend").strict(),
            money("cardSum").column("cardsum"),
            boolean("blocked").strict(),
            decimal("discountpercent", 13, 4).strict(),
            text("cardstatus", CODE),
        ],
        table: "card",
        indexes: &[&["number"], &["idclient"]],
        ..NOTHING
    },
    KindSpec {
        id: 22,
        name: "client",
        title: "Customer",
        payload: "client",
        add: Some("addClient"),
        delete: Some("deleteClient"),
        clear: &["clearClient"],
        ours: &["deleteClient", "clearClient"],
        key: &["idclient"],
        fields: &[
            code("idclient", CODE),
            text("name", NAME),
            integer("sex"),
            date("birthday"),
            text("email", NAME),
            text("extendedoptions", 65_535),
            json("options"),
        ],
        table: "client",
        ..NOTHING
    },
    KindSpec {
        id: 23,
        name: "cardaccount",
        title: "Account of a card",
        payload: "ChangeCardAccount",
        add: Some("addChangeCardAccount"),
        delete: Some("deleteChangeCardAccount"),
        clear: &["clearChangeCardAccount"],
        ours: &["deleteChangeCardAccount", "clearChangeCardAccount"],
        key: &["cardNumber"],
        fields: &[code("cardNumber", 255).column("cardnumber"), code("accountnumber", 255), text("cardstatus", CODE)],
        table: "cardaccount",
        indexes: &[&["accountnumber"]],
        ..NOTHING
    },
    KindSpec {
        id: 24,
        name: "discountsystem",
        title: "Discount: what it gives, to whom and when",
        payload: "discountsystem",
        add: Some("addDiscountSystem"),
        delete: Some("deleteDiscountSystem"),
        clear: &["clearDiscountSystem"],
        ours: &["addDiscountSystem", "deleteDiscountSystem", "clearDiscountSystem"],
        key: &["code"],
        fields: &[
            code("code", CODE),
            text("name", NAME),
            integer("disctype").strict(),
            decimal("discsize", 13, 4).strict(),
            integer("priority"),
            boolean("blocked").strict(),
            code("idcardgroup", CODE),
            date_time("effectivedate").strict(),
            date_time_end("effectivedateend").strict(),
            json("conditions"),
        ],
        table: "discountsystem",
        ..NOTHING
    },
];
