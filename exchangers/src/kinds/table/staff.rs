//! The till and who stands at it: cashiers, roles, keys, departments, payment types.

use crate::kinds::spec::{EXPANSION, Expansion, KindSpec, NOTHING, boolean, code, integer, json, text};

const NAME: usize = 200;
const CODE: usize = 64;

pub(super) const KINDS: &[KindSpec] = &[
    KindSpec {
        id: 40,
        name: "cashier",
        title: "Cashier",
        payload: "mcashuser",
        add: Some("addMCashUser"),
        delete: Some("deleteMCashUser"),
        clear: &["clearMCashUser"],
        ours: &["deleteMCashUser"],
        key: &["code"],
        fields: &[
            code("code", CODE),
            text("login", NAME).strict(),
            text("name", NAME),
            text("password", NAME).strict(),
            boolean("locked").strict(),
            integer("keyposition").strict(),
            text("rank", NAME),
            code("inn", CODE),
        ],
        expansions: &[Expansion {
            field: "roleusers",
            kind: "roleuser",
            scalar: Some("rolecode"),
            inherit: &[("usercode", "code")],
            ..EXPANSION
        }],
        table: "mol",
        indexes: &[&["login"]],
        ..NOTHING
    },
    KindSpec {
        id: 41,
        name: "roleuser",
        title: "Role of a cashier",
        payload: "roleuser",
        clear: &["clearMCashUser"],
        key: &["usercode", "rolecode"],
        fields: &[code("usercode", CODE), code("rolecode", CODE), integer("rule").strict()],
        table: "roleuser",
        ..NOTHING
    },
    KindSpec {
        id: 42,
        name: "role",
        title: "Role: what a cashier may do",
        payload: "role",
        add: Some("addRole"),
        delete: Some("deleteRole"),
        clear: &["clearRole"],
        ours: &["addRole", "deleteRole", "clearRole"],
        key: &["rolecode"],
        fields: &[code("rolecode", CODE), text("name", NAME), json("rights")],
        table: "role",
        ..NOTHING
    },
    KindSpec {
        id: 43,
        name: "hotkey",
        title: "Hot key of the till",
        payload: "hotkey",
        add: Some("addHotKey"),
        delete: Some("deleteHotKey"),
        clear: &["clearHotKey"],
        ours: &["deleteHotKey"],
        key: &["hotkeycode"],
        fields: &[integer("hotkeycode"), text("hotkeyname", NAME)],
        expansions: &[Expansion {
            field: "inventcodes",
            kind: "hotkeyinvent",
            scalar: Some("inventcode"),
            ordinal: Some("itemorder"),
            inherit: &[("hotkeycode", "hotkeycode")],
            ..EXPANSION
        }],
        table: "hotkey",
        ..NOTHING
    },
    KindSpec {
        id: 44,
        name: "hotkeyinvent",
        title: "Item on a hot key",
        payload: "hotkeyinvent",
        clear: &["clearHotKey"],
        key: &["hotkeycode", "inventcode"],
        fields: &[integer("hotkeycode"), code("inventcode", 20), integer("itemorder")],
        table: "hotkeyinvent",
        ..NOTHING
    },
    KindSpec {
        id: 45,
        name: "kbkey",
        title: "Key of the keyboard",
        payload: "kbkey",
        add: Some("addKbKey"),
        delete: Some("deleteKbKey"),
        clear: &["clearKbKey"],
        ours: &["deleteKbKey", "clearKbKey"],
        key: &["keycode", "context"],
        fields: &[
            code("keycode", CODE),
            code("context", CODE).optional(),
            code("cmactioncode", CODE),
            text("keyvalue", NAME),
        ],
        table: "kbkey",
        ..NOTHING
    },
    KindSpec {
        id: 46,
        name: "department",
        title: "Department",
        payload: "department",
        add: Some("addDepartment"),
        delete: Some("deleteDepartment"),
        clear: &["clearDepartment"],
        ours: &["addDepartment", "deleteDepartment", "clearDepartment"],
        key: &["code"],
        fields: &[
            integer("code").alias(&["deptcode"]),
            text("name", NAME),
            integer("taxgroupcode").strict(),
            code("inn", CODE),
        ],
        table: "dept",
        ..NOTHING
    },
    KindSpec {
        id: 47,
        name: "valut",
        title: "Payment type",
        payload: "valut",
        add: Some("addValut"),
        delete: Some("deleteValut"),
        clear: &["clearValut"],
        ours: &["addValut", "deleteValut", "clearValut"],
        key: &["code"],
        fields: &[integer("code"), text("name", NAME), integer("type")],
        table: "valut",
        ..NOTHING
    },
];
