//! Each page over data of every sort: it renders in both languages, escapes, and says nothing but
//! its words and its data.

mod goods;
mod report;

use super::super::chart::{Value as Bar, chart};
use super::super::render::{TEMPLATES, more_filters, renderer};
use super::super::view::*;
use super::audit::AuditView;
use super::bulk::{BulkRow, BulkView};
use super::findings::{AttentionView, FindingsView, KindView};
use super::load::{LoadPage, MissingTill, TillsOfLoad};
use super::loads::LoadsView;
use super::network::settings::{SettingRow, SettingsView};
use super::network::{Below, Branch, ImportView, LineView, NodePage, RemoveView, Row};
use super::overview::{OverviewView, Period, Plot, Problem, SlotRow};
use super::sales::{
    Above, ByChip, LineView as ReceiptLine, PaymentView, ReceiptPage, ReceiptRow, ReceiptsAsked, ReceiptsView,
    SalesView, SlipView, Tab, TotalRow, TotalsView, VerdictChip,
};
use super::server::{DatabaseRow, KeepRow, OutboxView, ServerView};
use super::till::TillPage;
use super::tills::{Asked, Chip, Choice, Column, TillsView};
use super::timeline::{Event, EventView};
use super::unit::{AsideSlip, UnitPage};
use super::units::{UnitRow, UnitsView};
use super::*;
use crate::app::{Act, BulkAct, Role, may};
use crate::exchange::Condition;
use crate::exchange::model::CommandState;
use crate::report::entry;
use crate::store::sales::FindingKind;
use crate::words::{self, Language, Words};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use tillway_proto::{DeliveryState, ExchangeStatus, Kopecks, NodeLevel, Revision, TillSetting};
use tillway_service::page::{Renderer, TaskView};
use tillway_service::people::View;
use tillway_service::words::common;

/// A warning and a reject.
fn notices(id: i64) -> Vec<NoticeView> {
    let warning = NoticeView {
        id,
        layer: "shop 367".to_owned(),
        load: 4,
        line: 8,
        verb: "addInventItem".to_owned(),
        key: "100".to_owned(),
        field: "name".to_owned(),
        value: "<b>long</b>".to_owned(),
        reason: "<b>cut".to_owned(),
        is_warning: true,
    };
    let reject = NoticeView { reason: "<b>why".to_owned(), is_warning: false, ..warning.clone() };
    vec![warning, reject]
}

const TASKS: [&str; 25] = [
    "alerts",
    "daily-report",
    "outbox",
    "backup",
    "broker-logins",
    "till-connections",
    "certificates",
    "backup-rehearsal",
    "backup-peers",
    "reconciler",
    "intake",
    "status-callbacks",
    "intake-cleaning",
    "intake-packing",
    "sales-loader",
    "sales-checks",
    "old-receipts",
    "sales-files",
    "sales-file-requests",
    "old-packages",
    "old-deliveries",
    "old-dictionary",
    "old-audit",
    "goods-names",
    "watchdog",
];

const DELIVERY_STATES: [DeliveryState; 7] = [
    DeliveryState::Announced,
    DeliveryState::Downloaded,
    DeliveryState::Queued,
    DeliveryState::Applied,
    DeliveryState::Rejected,
    DeliveryState::Expired,
    DeliveryState::Superseded,
];

fn now() -> Timestamp {
    "2026-01-02T06:00:00Z".parse().unwrap()
}

fn till() -> TillView {
    TillView {
        id: "_cash_1_00ab34ef".to_owned(),
        folder: "till-367-1".to_owned(),
        code: "1".to_owned(),
        name: "<b>Till</b>".to_owned(),
        shop: "367".to_owned(),
        shop_name: "<b>Shop</b>".to_owned(),
        condition: Condition::Behind,
        cursor: Some(Revision(17)),
        target: Revision(18),
        applied_at: Some("2026-01-02T05:00:00Z".parse().unwrap()),
        last_contact: Some("2026-01-02T05:59:30Z".parse().unwrap()),
        silent_since: Some("2026-01-02T05:59:30Z".parse().unwrap()),
        rows: Some(184_662),
        delivery: Some(DeliveryState::Announced),
        waits_for: Some("<b>the till has not downloaded it yet".to_owned()),
        clock_ahead: Some(70),
        clock_behind: None,
        sales_wait: Some("documents-locked"),
        unsent_unknown: false,
        unsent_documents: Some(3),
        agent_version: Some("0.1.0".to_owned()),
    }
}

fn never_heard_of() -> TillView {
    TillView {
        condition: Condition::NeverHeardOf,
        cursor: None,
        applied_at: None,
        last_contact: None,
        silent_since: None,
        rows: None,
        delivery: None,
        waits_for: None,
        clock_ahead: None,
        clock_behind: Some(7_260),
        sales_wait: None,
        unsent_unknown: true,
        unsent_documents: None,
        agent_version: None,
        ..till()
    }
}

/// One entry of each sort, and one of each kind of finding.
fn attention() -> Vec<Attention> {
    let of = |sort: AttentionSort, key: String| Attention {
        key,
        since: Some(now()),
        acknowledge: (sort == AttentionSort::WentBack).then(|| "_cash_2_00ab34ef".to_owned()),
        task: (sort == AttentionSort::Background).then_some("reconciler"),
        finding: (sort == AttentionSort::Finding).then_some(7),
        tills: vec!["_cash_2_00ab34ef".to_owned()],
        ..entry(sort, "367/2".to_owned(), "<i>detail</i>".to_owned())
    };
    let sorts = AttentionSort::ALL.into_iter().map(|sort| of(sort, sort.word().to_owned()));
    let findings = FindingKind::ALL.into_iter();
    sorts.chain(findings.map(|kind| of(AttentionSort::Finding, format!("finding-{}", kind.as_str())))).collect()
}

fn aside() -> Vec<AsideView> {
    let sorts =
        ["package", "document", "shift", "message", "units", "report", "stranger", "load", "sales", "held", "files"];
    let of = |sort: &str| AsideView {
        id: "till:_cash_2_00ab34ef:package:<b>7".to_owned(),
        content: (sort == "document").then(|| "/findings/unit?unit=x".to_owned()),
        sort: sort.to_owned(),
        till: (sort == "package").then(|| "/tills/till-367-2".to_owned()),
        place: "367/2".to_owned(),
        name: "<b>7".to_owned(),
        at: Some(now()),
        reason: "<b>broken".to_owned(),
        ordered: (sort == "units").then_some("drop"),
        retryable: sort != "sales",
        droppable: sort != "units",
    };
    sorts.into_iter().map(of).collect()
}

fn load() -> LoadView {
    LoadView {
        id: 4,
        layer: "shop 367".to_owned(),
        source: "pos1.aif".to_owned(),
        source_in_full: "/srv/inbox/pos1.aif".to_owned(),
        accepted_at: now(),
        took_seconds: Some("0.120".to_owned()),
        progress: Some(ProgressView { percent: 42, records: 654_321 }),
        revision: Some(Revision(18)),
        state: "ready-with-errors",
        status: ExchangeStatus::ReadyWithError,
        added: 1,
        changed: 2,
        deleted: 3,
        unchanged: 92_331,
        rejected: 1,
        warnings: 1,
        warned: notices(0),
        rejects: vec![RejectView {
            line: 7,
            verb: "addPrice".to_owned(),
            reason: "price `x` is not a number".to_owned(),
        }],
        reason: None,
    }
}

fn of_frame<V: Serialize>(here: &'static str, body: V) -> Value {
    let frame = Frame {
        server: "<b>centre".to_owned(),
        version: "0.1.0",
        navigation: NAVIGATION.map(|item| NavItem { count: 3, ..item }).into(),
        here,
        crumbs: vec![Crumb::to("<b>Polus", "/tills"), Crumb::here("<b>Here")],
        base: "/tills?".to_owned(),
        token: "0".repeat(64),
        renews: true,
    };
    serde_json::to_value(Shown { frame, now: now(), body }).unwrap()
}

fn overview_page() -> Value {
    let problem = |entry: Attention| Problem {
        is_grave: entry.sort.is_grave(),
        count: 12,
        tills: 3,
        places: vec![entry.place],
        more: 4,
        detail: entry.detail,
        task: entry.task,
        since: entry.since,
        address: "/tills?problem=x".to_owned(),
        key: entry.key,
    };
    let queued = LoadView { state: "queued", progress: None, ..load() };
    of_frame(
        "overview",
        OverviewView {
            tills_total: 2,
            tills_current: 1,
            tills_look: 1,
            revision: Revision(18),
            problems: attention().into_iter().map(problem).collect(),
            loads: vec![load(), queued],
            tills_behind: 1,
            tasks: TASKS.into(),
            half: Some("0.4".to_owned()),
            most: Some("2.1".to_owned()),
            receipts_today: Some(18_240),
            sum_today: Some(Kopecks(1_234_567)),
            unsent: 231,
            unsent_tills: 3,
            receipts_hour: Some(1_024),
            loads_today: 3,
            lately: ["day", "week"].map(period).into(),
        },
    )
}

fn period(name: &'static str) -> Period {
    let bar = |value: u64, filled| Bar { label: "<b>10:00".to_owned(), told: value.to_string(), amount: value, filled };
    let row = |most: Option<&str>| SlotRow {
        label: "<b>10:00".to_owned(),
        receipts: most.map(|_| 1_024),
        loads: 3,
        applied: 7,
        half: most.map(str::to_owned),
        most: most.map(str::to_owned),
    };
    let charts = ["receipts", "way", "loads"].into_iter().flat_map(|name| {
        [vec![bar(40, Some(20)), bar(0, None)], vec![bar(0, None)]].map(|bars| Plot { name, chart: chart(bars) })
    });
    Period { name, charts: charts.collect(), rows: vec![row(Some("2.1")), row(None)] }
}

fn tills_page() -> Value {
    let chip = |state| Chip { state, count: 3, address: "/tills?state=x".to_owned(), is_on: state == "silent" };
    let conditions = Condition::ALL.map(|condition| TillView { condition, ..till() });
    let columns = [
        "till",
        "condition",
        "has-revision",
        "data-age",
        "last-contact",
        "unsent",
        "agent",
        "clock",
        "reason-to-wait",
        "delivery",
        "rows",
        "id",
    ];
    let column = |name| Column { name, address: "/tills?sort=x".to_owned(), order: "ascending", is_number: false };
    of_frame(
        "tills",
        TillsView {
            asked: Asked { q: "<b>q".to_owned(), problem: "silent".to_owned(), ..Asked::default() },
            is_filtered: true,
            total: 9,
            found: 8,
            rows: conditions.into_iter().chain([never_heard_of()]).collect(),
            first: 1,
            last: 8,
            previous: Some("/tills?page=1".to_owned()),
            next: Some("/tills?page=3".to_owned()),
            chips: ["look"].into_iter().chain(Condition::ALL.map(Condition::code)).map(chip).collect(),
            shops: vec![("shop-367".to_owned(), "367 <b>Main".to_owned())],
            groups: vec![("group-n".to_owned(), "n <b>North".to_owned())],
            has_many_shops: false,
            versions: vec!["0.1.0".to_owned()],
            columns: columns.map(column).into(),
            choices: columns[1..].iter().map(|name| Choice { name, word: name, is_on: *name == "unsent" }).collect(),
            views: vec![View { name: "<b>Mine".to_owned(), address: "/tills?state=silent".to_owned() }],
            here: "/tills?q=x".to_owned(),
            csv: "/tills.csv".to_owned(),
            clear: "/tills".to_owned(),
            filter: "q=x".to_owned(),
            acts: BulkAct::ALL.map(|act| act.word()),
            setting_keys: TillSetting::ALL.map(|setting| setting.key),
            max_bulk: 2_000,
        },
    )
}

fn till_page(till: TillView) -> Value {
    let delivery = |state| Event::Delivery {
        state,
        from: Revision(1),
        to: Revision(2),
        objects: 3,
        bytes: 4,
        took_s: 5,
        reason: "<b>why".to_owned(),
    };
    let order = |(order, state): (&'static str, CommandState)| Event::Order {
        order,
        what: "<b>what".to_owned(),
        state: state.as_str(),
        receipts: 3,
        reason: String::new(),
    };
    let orders = ["unload", "verify", "state", "retry", "drop", ""].map(|order| (order, CommandState::Done));
    let states = CommandState::ALL.map(|state| ("unload", state));
    let finding = |word: &str| Event::Finding { word: word.to_owned(), reason: "<b>why".to_owned(), is_open: false };
    let did =
        |verb: &str| Event::Did { verb: verb.to_owned(), actor: "login:x".to_owned(), address: "10.0.0.1".to_owned() };
    let plain = [
        Event::Made,
        Event::Heard,
        Event::Back,
        Event::TwoMachines,
        Event::WentBack,
        Event::Claimed,
        Event::Silent,
        finding("shift-differs"),
        finding("of-tomorrow"),
        did("till-park"),
        did("of-tomorrow"),
    ];
    let events =
        DELIVERY_STATES.map(delivery).into_iter().chain(orders.map(order)).chain(states.map(order)).chain(plain);
    of_frame(
        "tills",
        TillPage {
            parked: till.condition == Condition::Parked,
            has_secret: false,
            parents: vec![("shop-8".to_owned(), "8 <b>Other".to_owned())],
            problems: attention(),
            sales_wait: Some(("refused", "<b>unknown".to_owned(), now())),
            digest: Some("00ab34ef00ab".to_owned()),
            dictionary_log_mib: Some(7),
            last_receipt: Some("2026-01-02 09:00:00".to_owned()),
            queued: Some(2),
            made_at: now(),
            first_contact: Some(now()),
            aside: aside(),
            code_until: Some(now()),
            price: None,
            settings: Some(settings_view(true)),
            events: events.map(|event| EventView { at: now(), tone: "good", event }).collect(),
            till,
        },
    )
}

fn bulk_page(act: &BulkAct, failed: u64) -> Value {
    let row = |word| BulkRow {
        folder: "till-367-1".to_owned(),
        place: "367/1".to_owned(),
        name: "<b>Till".to_owned(),
        condition: Some(Condition::Silent),
        word,
        tone: "",
        detail: "<b>why".to_owned(),
    };
    of_frame(
        "tills",
        BulkView {
            act: act.word(),
            from: "2026-01-01".to_owned(),
            to: "2026-01-02".to_owned(),
            shop: "<b>shop-8".to_owned(),
            key: "queuechunksize".to_owned(),
            value: "100".to_owned(),
            hours: "24".to_owned(),
            fails: failed,
            tills: "_cash_1_00ab34ef".to_owned(),
            rows: ["does", "same", "waits", "fails", "done", "under-way", "failed"].map(row).into(),
            more: 1,
            all: 7,
            does: 2,
            same: 1,
            waits: 1,
            failed,
            max: None,
            filter: "state=silent".to_owned(),
            back: "/tills?state=silent".to_owned(),
        },
    )
}

fn findings_page() -> Value {
    let shown = |entry: Attention| AttentionView { is_grave: true, address: Some("/tills/x".to_owned()), entry };
    let kind = |entry: Attention| KindView { key: entry.key, count: 1, address: "/findings?kind=x".to_owned() };
    of_frame(
        "findings",
        FindingsView {
            kind: "silent".to_owned(),
            kinds: attention().into_iter().map(kind).collect(),
            total: 50,
            attention: attention().into_iter().map(shown).collect(),
            attention_more: 3,
            aside: aside(),
            aside_more: 1,
        },
    )
}

fn loads_page() -> Value {
    let state = |state| LoadView { state, progress: None, ..load() };
    let states = ["queued", "running", "ready", "held", "error"].map(state);
    let delivery = |state| DeliveryView {
        till: "367/1".to_owned(),
        address: Some("/tills/till-367-1".to_owned()),
        package: "00ab34ef0011".to_owned(),
        from: Revision(17),
        to: Revision(18),
        objects: 1,
        bytes: 1834,
        state,
        status: ExchangeStatus::Error,
        updated_at: now(),
        reason: Some("disk full".to_owned()),
    };
    of_frame(
        "loads",
        LoadsView {
            notices: notices(7),
            notices_more: 3,
            notices_up_to: 9,
            loads: [load()].into_iter().chain(states).collect(),
            deliveries: DELIVERY_STATES.map(delivery).into(),
            layers: vec![("shop-7".to_owned(), "<b>shop 7".to_owned())],
        },
    )
}

fn load_page(is_held: bool) -> Value {
    let missing = |condition| MissingTill {
        place: "367/1".to_owned(),
        address: Some("/tills/till-367-1".to_owned()),
        condition,
        why: "<b>why".to_owned(),
    };
    let tills = TillsOfLoad { all: 9, have: 2, missing: Condition::ALL.map(missing).into(), more: 1 };
    let state = if is_held { "held" } else { "ready-with-errors" };
    let load = LoadView { state, reason: is_held.then(|| "<b>would delete".to_owned()), ..load() };
    let (notices, tills) = (notices(0), (!is_held).then_some(tills));
    let held_for = if is_held { vec!["<b>would delete".to_owned()] } else { Vec::new() };
    let until = if is_held { None } else { Some(now()) };
    let file = Some(("load-7-<b>pos.aif".to_owned(), until));
    of_frame("loads", LoadPage { load, bytes: 1834, file, is_held, held_for, notices, notices_more: 3, tills })
}

fn sales_page() -> Value {
    let shift = |verdict| ShiftView {
        receipts: "/sales/receipts?till=x".to_owned(),
        shop: "367".to_owned(),
        till: "1".to_owned(),
        number: 12,
        opened: "2026-01-01T08:00:00".to_owned(),
        closed: String::new(),
        till_receipts: None,
        server_receipts: 41,
        till_sum: None,
        server_sum: Kopecks(1_234_567),
        in_future: true,
        verdict,
        detail: Some("one receipt is missing".to_owned()),
    };
    let verdicts = [ShiftVerdict::Open, ShiftVerdict::Waiting, ShiftVerdict::Agrees, ShiftVerdict::Differs];
    let chip = |word| VerdictChip { word, address: "/sales?verdict=x".to_owned(), is_on: word == "open" };
    of_frame(
        "sales",
        SalesView {
            above: above(),
            shifts: verdicts.map(shift).into(),
            verdicts: ["differs", "waiting", "open", "agrees"].map(chip).into(),
            is_filtered: true,
            previous: Some("/sales?page=1".to_owned()),
            next: Some("/sales?page=3".to_owned()),
            csv: "/sales/shifts.csv".to_owned(),
            can_ask: true,
            ask_from: "2026-01-01".to_owned(),
            ask_to: "2026-01-02".to_owned(),
            ask_filter: "shop=shop-367".to_owned(),
            ask_till: String::new(),
        },
    )
}

fn above() -> Above {
    let tab = |name| Tab { name, address: "/sales".to_owned(), is_here: name == "shifts" };
    Above {
        of: super::sales::Of { till: "<b>7-1".to_owned(), from: "2026-01-01".to_owned(), ..Default::default() },
        tabs: ["shifts", "receipts", "totals"].map(tab).into(),
        ranges: ["today", "week", "month"].map(tab).into(),
        shops: vec![("shop-367".to_owned(), "367 <b>Main".to_owned())],
        groups: vec![("group-n".to_owned(), "n <b>North".to_owned())],
        has_many_shops: false,
        trouble: Some("<b>locked".to_owned()),
    }
}

fn receipts_page(is_found: bool) -> Value {
    let row = |is_refund: bool| ReceiptRow {
        address: "/sales/receipts/x".to_owned(),
        till: "367/1".to_owned(),
        till_address: is_refund.then(|| "/tills/till-367-1".to_owned()),
        shop: "367 <b>Main".to_owned(),
        shift: 12,
        number: 345,
        doctype: is_refund.then(|| "<b>doctype".to_owned()),
        is_refund,
        ended: "2026-01-02 09:00:00".to_owned(),
        cashier: "<b>7".to_owned(),
        cashier_name: is_refund.then(|| "<b>Anna".to_owned()),
        lines: 3,
        discount: Kopecks(10),
        sum: Kopecks(1_234_567),
    };
    of_frame(
        "sales",
        ReceiptsView {
            above: above(),
            asked: ReceiptsAsked { item: "<b>milk".to_owned(), payment: "17".to_owned(), ..Default::default() },
            from: "2026-01-01T00:00".to_owned(),
            to: String::new(),
            is_filtered: true,
            is_narrow: true,
            sorts: ["sale", "refund", "other"],
            rows: if is_found { [false, true].map(row).into() } else { Vec::new() },
            turn: "/sales/receipts?order=oldest".to_owned(),
            next: Some("/sales/receipts?cursor=x".to_owned()),
            first: Some("/sales/receipts".to_owned()),
            stopped_at: Some("2026-01-01 12:00:00".to_owned()),
            csv: "/sales/receipts.csv".to_owned(),
        },
    )
}

fn receipt_page(is_refund: bool) -> Value {
    of_frame(
        "sales",
        ReceiptPage {
            slip: slip_view(is_refund),
            till_address: is_refund.then(|| "/tills/till-367-1".to_owned()),
            day: "/sales/receipts?till=x".to_owned(),
            received_at: now(),
        },
    )
}

fn slip_view(is_refund: bool) -> SlipView {
    let line = |is_refund| ReceiptLine {
        name: "<b>Milk".to_owned(),
        code: "1001".to_owned(),
        barcode: "4600000000017".to_owned(),
        quantity: "1.5".to_owned(),
        price: Kopecks(10_000),
        discount: Kopecks(100),
        sum: Kopecks(1_234_567),
        is_refund,
        mark: "<b>mark".to_owned(),
    };
    let paid = |is_change| PaymentView {
        name: "<b>card".to_owned(),
        is_change,
        card: "1234".to_owned(),
        sum: Kopecks(1_234_567),
        slip: "<b>slip".to_owned(),
    };
    SlipView {
        doctype: "<b>doctype".to_owned(),
        is_refund,
        number: 345,
        till: "367/1".to_owned(),
        shop: "367 <b>Main".to_owned(),
        shift: 12,
        ended: "2026-01-02 09:00:00".to_owned(),
        cashier: "<b>Anna".to_owned(),
        lines: [false, true].map(line).into(),
        voided: vec![line(false)],
        sum_before: Kopecks(1_234_667),
        discount: Kopecks(100),
        sum: Kopecks(1_234_567),
        vat: Kopecks(1_000),
        payments: [false, true].map(paid).into(),
        failed: vec![paid(false)],
        certificates: vec![("<b>c1".to_owned(), Kopecks(500))],
        coupons: vec![("<b>k1".to_owned(), Kopecks(500))],
        cards: vec!["<b>777".to_owned()],
        fiscal_number: "<b>9".to_owned(),
        fiscal_identifier: "<b>99".to_owned(),
        source: "<b>344".to_owned(),
        back_reason: "<b>broken".to_owned(),
    }
}

fn totals_page(by: &'static str) -> Value {
    let row = || TotalRow {
        label: "<b>label".to_owned(),
        address: Some("/sales/receipts?from=x".to_owned()),
        sales: 12,
        refunds: 1,
        sale_sum: Kopecks(1_234_567),
        refund_sum: Kopecks(100),
        net: Kopecks(1_234_467),
        average: Some(Kopecks(100_000)),
    };
    let bar = Bar { label: "<b>bar".to_owned(), told: "5".to_owned(), amount: 5, filled: None };
    let chip = |word| ByChip { word, address: "/sales/totals?by=x".to_owned(), is_on: word == by };
    of_frame(
        "sales",
        TotalsView {
            above: above(),
            from: "2026-01-01".to_owned(),
            to: "2026-01-07".to_owned(),
            by,
            is_filtered: true,
            choices: crate::store::sales::TotalsBy::ALL.map(|by| chip(by.as_str())).into(),
            chart: chart(vec![bar]),
            rows: vec![row()],
            more: 3,
            all: row(),
            csv: "/sales/totals.csv".to_owned(),
        },
    )
}

fn server_page(background: Option<Vec<TaskView>>) -> Value {
    let broker = BrokerView {
        consuming: true,
        since: Some(now()),
        trouble: None,
        blocked: None,
        foreign_queue: Some("<b>otherwise".to_owned()),
    };
    of_frame(
        "server",
        ServerView {
            revision: Revision(18),
            broker,
            tls: Some(TlsView { days_left: 61, open_ports: vec!["aif.plain"] }),
            backups: Some(BackupsView {
                place: "s3://backups/<b>shop".to_owned(),
                trouble: None,
                newest: Some(now()),
                rehearsed: Some(now()),
                fault: Some("<b>table".to_owned()),
                kept: [(false, false), (true, false), (true, true)]
                    .map(|(is_tried, is_bad)| KeptBackup {
                        name: "<b>tillway-1".to_owned(),
                        at: now(),
                        mib: 12_345,
                        rehearsed: is_tried.then(now),
                        fault: is_bad.then(|| "<b>table".to_owned()),
                    })
                    .into(),
                more: 2,
            }),
            databases: [None, Some(3)]
                .map(|schema| DatabaseRow { name: "<b>people.db".to_owned(), kib: 1_234, log_kib: 5, schema })
                .into(),
            keeps: ["receipts", "prices", "loads", "audit", "packages", "files", "backups"]
                .map(|what| KeepRow {
                    what,
                    setting: "retention.sales_days",
                    days: (what != "receipts").then_some(21),
                    mib: (what == "packages").then_some(20_480),
                    oldest: (what == "backups").then(now),
                })
                .into(),
            reads_log: background.is_some(),
            outbox: Some(OutboxView {
                waiting: 3,
                waiting_since: Some(now()),
                last_sent: Some(now()),
                trouble: Some("<b>no route".to_owned()),
            }),
            disk_free_mib: Some(12_345),
            disk_reserve_mib: Some(512),
            versions: vec![("0.2.0".to_owned(), 7, "/tills?version=0.2.0".to_owned())],
            background,
        },
    )
}

fn network_page(level: NodeLevel) -> Value {
    let below = |look| Below { shops: 2, tills: 5, current: 4, look };
    let row = |(level, condition, look)| Row {
        address: "/network/shop-367".to_owned(),
        folder: "shop-367".to_owned(),
        level,
        code: "367".to_owned(),
        name: "<b>Main".to_owned(),
        below: below(look),
        condition,
    };
    let rows = [(NodeLevel::Group, None, 1), (NodeLevel::Shop, None, 0), (NodeLevel::Till, Some(Condition::Silent), 1)];
    let branch = |depth| Branch {
        depth,
        folder: "group-n".to_owned(),
        code: "n".to_owned(),
        name: "<b>North".to_owned(),
        shops: 2,
        is_here: depth == 1,
    };
    of_frame(
        "network",
        NodePage {
            folder: "group-n".to_owned(),
            id: "_group_n_00ab34ef".to_owned(),
            level,
            code: "n".to_owned(),
            name: String::new(),
            below: below(1),
            tree: (0..9).map(branch).collect(),
            rows: rows.map(row).into(),
            found: 3,
            first: 1,
            last: 3,
            previous: Some("/network?page=1".to_owned()),
            next: Some("/network?page=3".to_owned()),
            parents: vec![("All".to_owned(), "chain <b>Polus".to_owned())],
            tills: "/tills?group=group-n".to_owned(),
            sales: "/sales/receipts?group=group-n".to_owned(),
            settings: Some(settings_view(false)),
        },
    )
}

fn settings_view(is_till: bool) -> SettingsView {
    let row = |setting: TillSetting, choices, on_till: Option<&str>| SettingRow {
        key: setting.key,
        value: "100".to_owned(),
        set_by: on_till.map(|_| "<b>shop 367".to_owned()),
        own: on_till.map(|_| "True".to_owned()).unwrap_or_default(),
        above: "300".to_owned(),
        on_till: on_till.map(str::to_owned),
        differs: on_till.is_some(),
        choices,
        least: 1,
        most: 1_000_000,
    };
    let rows = TillSetting::ALL
        .into_iter()
        .flat_map(|setting| [row(setting, &["True", "False"][..], Some("False")), row(setting, &[], None)]);
    SettingsView { node: "till-367-1".to_owned(), may_set: true, is_till, is_told: !is_till, rows: rows.collect() }
}

fn import_page(is_done: bool) -> Value {
    let line = |word| LineView {
        line: 2,
        level: "shop".to_owned(),
        code: "7".to_owned(),
        parent: "All".to_owned(),
        name: "<b>Main".to_owned(),
        word,
        detail: "<b>why".to_owned(),
    };
    let lines = ["makes", "same", "wrong", "made"].map(line).into();
    let table = "<b>shop,7,All".to_owned();
    let view = ImportView { table, lines, makes: 1, same: 1, wrong: 1, is_done, trouble: String::new() };
    of_frame("network", view)
}

fn remove_page(level: NodeLevel, below: u64) -> Value {
    let (folder, name, back) = ("shop-7".to_owned(), "<b>Main".to_owned(), "/network/shop-7".to_owned());
    of_frame("network", RemoveView { folder, name, level, below, unsent: Some(3), back })
}

fn audit_page(is_filtered: bool) -> Value {
    let verbs: Vec<String> = audit::verbs().map(audit::word).collect();
    let line = |verb: &String| audit::Row {
        id: uuid::Uuid::nil(),
        at: now(),
        who: "<b>login:anna".to_owned(),
        by_who: "/audit?who=login%3Aanna".to_owned(),
        face: "page".to_owned(),
        address: "127.0.0.1".to_owned(),
        verb: verb.clone(),
        object: "<b>367/1".to_owned(),
        object_at: Some("/tills/till-367-1".to_owned()),
        by_object: "/audit?object=x".to_owned(),
        changes: vec![
            ("name".to_owned(), "<b>a".to_owned(), "<b>b".to_owned()),
            (String::new(), "<b>a".to_owned(), String::new()),
        ],
    };
    let asked = audit::Asked { q: "<b>".to_owned(), who: "login:anna".to_owned(), ..audit::Asked::default() };
    let page = AuditView {
        asked: if is_filtered { asked } else { audit::Asked::default() },
        is_filtered,
        rows: if is_filtered { Vec::new() } else { verbs.iter().map(line).collect() },
        newest: Some("/audit".to_owned()),
        older: Some("/audit?before=x".to_owned()),
        csv: "/audit.csv".to_owned(),
        verbs,
    };
    of_frame("audit", page)
}

fn unit_page(is_receipt: bool) -> Value {
    let slip = || AsideSlip { slip: slip_view(true), reason: Some("<b>why".to_owned()), received_at: Some(now()) };
    of_frame(
        "findings",
        UnitPage {
            unit: aside().swap_remove(1),
            slips: if is_receipt { vec![slip()] } else { Vec::new() },
            texts: if is_receipt { vec!["<b>raw".to_owned()] } else { Vec::new() },
            is_cut: is_receipt,
            more: u64::from(is_receipt),
        },
    )
}

fn units_page(is_done: bool, failed: u64) -> Value {
    let row = |unit: Option<AsideView>| UnitRow {
        id: "load:<b>7".to_owned(),
        told: "<b>told".to_owned(),
        is_failed: unit.is_none(),
        unit,
    };
    let rows = aside().into_iter().map(Some).chain([None]).map(row).collect();
    of_frame("findings", UnitsView { is_done, rows, all: 12, failed })
}

fn tasks() -> Vec<TaskView> {
    let task = |name| TaskView {
        name,
        running_s: (name == "intake").then_some(70),
        last_run: (name != "intake").then(now),
        next_in_s: (name != "intake").then_some(30),
        failures: u32::from(name == "old-audit") * 3,
        error: (name == "old-audit").then(|| "<b>no room".to_owned()),
    };
    TASKS.map(task).into()
}

/// Every page, with data of every sort.
fn pages() -> Vec<(&'static str, Value)> {
    let mut pages = vec![
        ("overview.html", overview_page()),
        ("tills.html", tills_page()),
        ("findings.html", findings_page()),
        ("loads.html", loads_page()),
        ("sales.html", sales_page()),
        ("totals.html", totals_page("payment")),
        ("totals.html", totals_page("day")),
        ("server.html", server_page(Some(tasks()))),
        ("audit.html", audit_page(false)),
        ("audit.html", audit_page(true)),
    ];
    let conditions = Condition::ALL.map(|condition| TillView { condition, ..till() });
    pages.extend(conditions.into_iter().chain([never_heard_of()]).map(|till| ("till.html", till_page(till))));
    for is_so in [false, true] {
        pages.extend([("receipts.html", receipts_page(is_so)), ("receipt.html", receipt_page(is_so))]);
    }
    let day = jiff::civil::Date::constant(2026, 1, 2);
    let of_more = [
        BulkAct::AskForDays { from: day, to: day },
        BulkAct::Move { shop: String::new() },
        BulkAct::Settings { changes: std::collections::BTreeMap::new() },
        BulkAct::NewCodes { hours: None },
    ];
    for act in BulkAct::ALL.into_iter().chain(of_more) {
        pages.extend([("bulk_ask.html", bulk_page(&act, 0)), ("bulk_done.html", bulk_page(&act, 1))]);
    }
    pages.extend([false, true].map(|is_receipt| ("unit.html", unit_page(is_receipt))));
    pages.extend([false, true].map(|is_held| ("load.html", load_page(is_held))));
    let levels = [NodeLevel::Chain, NodeLevel::Group, NodeLevel::Shop];
    pages.extend(levels.map(|level| ("network.html", network_page(level))));
    pages.extend([false, true].map(|is_done| ("network_import.html", import_page(is_done))));
    pages.push(("network_import.html", of_frame("network", ImportView::default())));
    let removed = [(NodeLevel::Till, 0), (NodeLevel::Shop, 0), (NodeLevel::Group, 2)];
    pages.extend(removed.map(|(level, below)| ("network_remove.html", remove_page(level, below))));
    pages.extend(
        [(false, 0), (true, 0), (true, 1)].map(|(is_done, failed)| ("units.html", units_page(is_done, failed))),
    );
    let of_till = |is_out: bool| {
        serde_json::json!({"till": "_cash_1_00ab34ef", "name": "till-367-1", "is_out": is_out, "unsent_documents": 3,
            "last_contact": "2026-01-02T05:59:30Z"})
    };
    pages.extend([
        ("stolen.html", of_frame("tills", of_till(true))),
        ("stolen.html", of_frame("tills", of_till(false))),
        ("attach.html", of_frame("tills", serde_json::json!({"shops": [["shop-367", "<b>Main"]], "shop": "shop-367"}))),
        ("attach.html", of_frame("tills", serde_json::json!({"shops": [], "shop": ""}))),
        (
            "code.html",
            of_frame("tills", serde_json::json!({"till": "till-367-1", "code": "AB-CD", "ends_at": now(), "server": "shop:1"})),
        ),
        (
            "confirm.html",
            of_frame(
                "findings",
                serde_json::json!({"unit": "load:1", "sort": "load", "name": "<b>7", "reason": "<b>why", "back": "/findings"}),
            ),
        ),
    ]);
    pages.extend(pages_of_people());
    pages.extend(goods::pages());
    pages.extend(report::pages());
    pages.extend([log_page(true), log_page(false)]);
    pages
}

fn log_page(has_lines: bool) -> (&'static str, Value) {
    let line = |level| log::LogRow { no: 1, at: now(), level, text: "<b>no room".to_owned() };
    let chip = |word| log::LevelChip { word, address: "/server/log?level=x".to_owned(), is_chosen: word == "warn" };
    let lines = ["error", "warn", "info", "debug", "trace"].map(line);
    let page = log::LogPage {
        q: "<b>room".to_owned(),
        level: "warn".to_owned(),
        levels: ["all", "info", "warn", "error"].map(chip).into(),
        lines: if has_lines { lines.into() } else { Vec::new() },
        is_cut: has_lines,
    };
    ("log.html", of_frame("server", page))
}

fn mailing(is_set: bool) -> Value {
    let alerts = ["held-load", "silent-shop", "shift-differs"].map(|sort| (sort, is_set));
    let address = is_set.then_some("<b>anna@example.org");
    serde_json::json!({"address": address, "language": if is_set { "ru" } else { "" }, "report": is_set, "alerts": alerts})
}

fn pages_of_people() -> Vec<(&'static str, Value)> {
    let users = ["active", "disabled", "invited", "must-change"]
        .map(|state| serde_json::json!({"login": "anna", "name": "<b>Anna", "state": state, "role": "operator", "place": "shop-7", "last_login": now(), "mailing": mailing(state == "active")}));
    let key = serde_json::json!({"name": "<b>reports", "role": "viewer", "place": "All", "made_by": "anna", "ends_at": now(), "used_at": null, "ended": true});
    let session = serde_json::json!({"number": 1, "made_at": now(), "seen_at": now(), "address": "127.0.0.1",
        "agent": "<b>browser", "is_this": true});
    let account = |must_change: bool| {
        serde_json::json!({"login": "anna", "name": "<b>Anna", "must_change": must_change, "by_session": true, "role": "auditor", "place": "All",
            "least": 12, "why": "<b>why", "sessions": [&session], "mails": if must_change { "sent" } else { "off" },
            "mailing": mailing(must_change)})
    };
    let bare = serde_json::json!({"server": "<b>centre", "form_token": "0", "login": "anna", "next": "/", "link": "x",
        "least": 12, "why": "no"});
    let sure = |what: &str| of_frame("people", serde_json::json!({"what": what, "login": "<b>anna"}));
    let once = |sort: &str| {
        of_frame("people", serde_json::json!({"sort": sort, "name": "<b>anna", "text": "x", "ends_at": now()}))
    };
    vec![
        (
            "people.html",
            of_frame(
                "people",
                serde_json::json!({"users": users, "more": 3, "keys": [key], "most_days": 365, "sends_mail": false, "is_sent": true,
            "roles": Role::ALL.map(Role::as_str), "places": [["shop-7", "<b>Shop"]],
            "rights": Act::ALL.map(|act| (act.as_str(), Role::ALL.map(|role| may(role, act))))}),
            ),
        ),
        (
            "people.html",
            of_frame(
                "people",
                serde_json::json!({"users": [], "more": 0, "keys": [], "most_days": 365, "sends_mail": true, "is_sent": false,
            "roles": [], "places": [["shop-7", "<b>Shop"]], "rights": []}),
            ),
        ),
        ("account.html", of_frame("account", account(true))),
        ("account.html", of_frame("account", account(false))),
        ("once.html", once("link")),
        ("once.html", once("key")),
        ("sure.html", sure("disable")),
        ("sure.html", sure("reset")),
        ("sure.html", sure("remove")),
        ("login.html", bare.clone()),
        ("first.html", bare),
    ]
}

#[test]
fn every_page_renders_in_every_language_and_escapes() {
    let renderer = renderer().unwrap();
    for (name, shown) in pages() {
        for language in Language::ALL {
            let html = renderer.render(name, language, &shown).unwrap();
            assert!(
                html.contains("&lt;b&gt;") && !html.contains("<b>Till</b>") && !html.contains("<b>why"),
                "{name} {html}"
            );
            let money = if language == Language::Russian { "12\u{2009}345,67" } else { "12\u{2009}345.67" };
            assert!(
                !matches!(name, "overview.html" | "sales.html" | "receipt.html" | "totals.html")
                    || html.contains(money),
                "{name}"
            );
            assert!(
                !html.contains("style=\"") && !html.contains("onclick"),
                "the policy forbids what is inline: {name}"
            );
            assert!(!html.contains("name=\"reason\""), "a long reason would not fit a form");
        }
    }
    let page = |name: &'static str, shown| renderer.render(name, Language::English, &shown).unwrap();
    assert!(page("sales.html", sales_page()).contains("class=\"mark waiting\""), "a shift in the future is marked");
    let loads = page("loads.html", loads_page());
    assert!(loads.contains("42 %") && loads.contains("654\u{2009}321"), "how far a load is");
    // Each of the eleven but the units that nobody names, one that was ordered about, and a held
    // load, which gets a yes or a no.
    assert_eq!(page("findings.html", findings_page()).matches("formaction=\"/aside/confirm").count(), 9);
    let all = TEMPLATES.iter().map(|(name, _)| *name).filter(|name| !name.contains('_') && *name != "page.html");
    let tested: BTreeSet<_> = pages().into_iter().map(|(name, _)| name).collect();
    assert_eq!(all.filter(|name| !tested.contains(name)).collect::<Vec<_>>(), Vec::<&str>::new());
}

/// What a person reads of a page: its text, and the attributes that are shown or spoken.
fn read_by_people(html: &str) -> String {
    const SPOKEN: [&str; 4] = ["title=\"", "aria-label=\"", "placeholder=\"", "alt=\""];
    let mut text = String::new();
    let body = html.split_once("<body").map_or(html, |(_, body)| body);
    for piece in body.split('<') {
        let (tag, shown) = piece.split_once('>').unwrap_or((piece, ""));
        if !tag.starts_with("script") && !tag.starts_with("style") {
            text += shown;
        }
        for attribute in SPOKEN {
            text += tag.split_once(attribute).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
            text.push(' ');
        }
    }
    text
}

fn latin_words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 1);
    words.map(str::to_lowercase).collect()
}

/// What stands in the page's data, without the names of its fields.
fn texts(data: &Value) -> String {
    match data {
        Value::String(text) => format!("{text} "),
        Value::Array(items) => items.iter().map(texts).collect(),
        Value::Object(fields) => fields.values().map(texts).collect(),
        _ => String::new(),
    }
}

/// Commands, files, keys, protocols, and the other language's name in itself.
const NAMES: [&str; 42] = [
    "alerts",
    "all",
    "group",
    "level",
    "north",
    "parent",
    "till",
    "agent",
    "attach",
    "cash",
    "cert",
    "code",
    "csv",
    "db",
    "dictionaries",
    "english",
    "false",
    "gt",
    "ini",
    "key",
    "log",
    "lt",
    "mail",
    "name",
    "new",
    "node",
    "add",
    "authorization",
    "bearer",
    "twk",
    "shop",
    "ntp",
    "rabbitmq",
    "rest",
    "server",
    "settings",
    "status",
    "sync",
    "tillway",
    "tls",
    "token",
    "unload",
];

#[test]
fn a_russian_page_has_no_english_but_what_it_tells_of_and_names() {
    let renderer = renderer().unwrap();
    for (name, shown) in pages() {
        let data = latin_words(&texts(&shown));
        let html = renderer.render(name, Language::Russian, &shown).unwrap();
        let mut left = latin_words(&read_by_people(&html));
        left.retain(|word| !data.contains(word) && !NAMES.contains(&word.as_str()) && word != "root");
        assert!(left.is_empty(), "{name}: {left:?}");
    }
    let english = renderer.render("findings.html", Language::English, &findings_page()).unwrap();
    assert!(latin_words(&read_by_people(&english)).len() > 50, "the page is read");
}

const BEGIN: char = '\u{27e6}';
const END: char = '\u{27e7}';

/// The words with each message between marks.
fn marked(language: Language) -> &'static Words {
    static ENGLISH: LazyLock<Words> = LazyLock::new(|| with_marks(Language::English));
    static RUSSIAN: LazyLock<Words> = LazyLock::new(|| with_marks(Language::Russian));
    match language {
        Language::English => &ENGLISH,
        Language::Russian => &RUSSIAN,
    }
}

fn with_marks(language: Language) -> Words {
    let sources = [common(language), words::own(language)].map(|source| {
        let mut marked = String::new();
        let mut lines = source.lines().peekable();
        while let Some(line) = lines.next() {
            let begins = line.split_once(" = ").filter(|_| line.starts_with(char::is_lowercase));
            marked += &begins.map_or_else(|| line.to_owned(), |(id, text)| format!("{id} = {BEGIN}{text}"));
            let goes_on = |next: &&str| next.starts_with([' ', '}']);
            let is_inside = begins.is_some() || goes_on(&line);
            if is_inside && !lines.peek().is_some_and(goes_on) {
                marked.push(END);
            }
            marked.push('\n');
        }
        marked
    });
    Words::of_sources(language, &[&sources[0], &sources[1]])
}

/// What stands outside of all marks.
fn unmarked(text: &str) -> String {
    let mut depth = 0_usize;
    let mut outside = |c: char| {
        match c {
            BEGIN => depth += 1,
            END => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && c != END { c } else { ' ' }
    };
    text.chars().map(&mut outside).collect()
}

#[test]
fn whatever_a_page_says_is_a_message_or_data() {
    let letters = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_alphabetic())
            .filter(|word| word.chars().count() > 1)
            .map(str::to_lowercase)
            .collect()
    };
    let renderer = Renderer::new(&TEMPLATES, marked, more_filters).unwrap();
    for (name, shown) in pages() {
        let data = letters(&texts(&shown));
        for language in Language::ALL {
            let html = renderer.render(name, language, &shown).unwrap();
            let least = if ["login.html", "first.html"].contains(&name) { 3 } else { 10 };
            assert!(html.matches(BEGIN).count() > least, "{name}");
            let mut left = letters(&unmarked(&read_by_people(&html)));
            // Its own name, names of languages in themselves, a format, a command.
            let names = ["tillway", "english", "русский", "csv", "sync", "agent", "attach", "lt", "gt"];
            let table = ["level", "code", "parent", "name", "shop", "till", "all"];
            left.retain(|word| ![&names[..], &table[..]].concat().contains(&word.as_str()) && !data.contains(word));
            assert!(left.is_empty(), "{name} {}: {left:?}", language.code());
        }
    }
}

#[test]
fn each_finding_of_sales_has_a_heading_of_its_own() {
    let renderer = renderer().unwrap();
    for language in Language::ALL {
        let html = renderer.render("findings.html", language, &findings_page()).unwrap();
        let parts = html.split("<strong>").skip(1).filter_map(|part| part.split_once("</strong>"));
        let headings: Vec<&str> = parts.map(|(heading, _)| heading).skip(AttentionSort::ALL.len()).collect();
        let different: BTreeSet<_> = headings.iter().collect();
        assert_eq!(different.len(), FindingKind::ALL.len(), "{headings:?}");
        assert!(language == Language::Russian || headings[1] == "Receipt came again with other content");
    }
}

#[test]
fn every_condition_verdict_and_state_has_its_word() {
    let words = words::of(Language::English);
    for condition in Condition::ALL {
        assert!(words.has(&format!("condition-{}", condition.code())), "{condition:?}");
    }
    for verdict in ["open", "waiting", "agrees", "differs"] {
        assert!(words.has(&format!("verdict-{verdict}")));
    }
    for state in ["announced", "downloaded", "queued", "applied", "rejected", "expired", "superseded"] {
        assert!(words.has(&format!("delivery-{state}")));
    }
}

#[test]
fn what_the_server_does_by_itself_is_shown_with_what_fails_and_only_to_those_who_may_see_it() {
    let renderer = renderer().unwrap();
    for (language, failed, runs, in_all) in [
        (Language::English, "failed 3 times in a row", "running for 1 min", "25 tasks"),
        (Language::Russian, "ошибка 3 раза подряд", "выполняется 1 мин", "25 задач"),
    ] {
        let html = renderer.render("server.html", language, &server_page(Some(tasks()))).unwrap();
        assert!(html.contains(failed) && html.contains(runs) && html.contains(in_all), "{html}");
        let nobody = server_page(None);
        assert!(!renderer.render("server.html", language, &nobody).unwrap().contains(in_all));
    }
}

#[test]
fn parts_of_pages_render_by_themselves_and_are_cut_where_they_are_lists() {
    let renderer = renderer().unwrap();
    let parts = renderer.parts(&[("rows", "tills_rows.html")], Language::English, &tills_page()).unwrap();
    assert_eq!(parts[0].1.matches(tillway_service::page::CUT).count(), 8);
    let tables = [overview_page(), till_page(till()), findings_page(), loads_page(), sales_page()];
    let names = ["overview_live.html", "till_now.html", "aside_live.html", "loads_live.html", "sales_live.html"];
    for (shown, name) in tables.iter().zip(names) {
        assert!(renderer.parts(&[("part", name)], Language::Russian, shown).is_ok(), "{name}");
    }
}
