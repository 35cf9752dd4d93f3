//! A backup is opened with the tools of the distribution: who has the file and the key needs
//! nothing of ours.

use crate::support::{has_receipts, now};
use crate::tools::{said, shop_with_a_till, sqlite3};
use fs_err as fs;
use serde_json::Value;
use std::process::Command;
use tillway_proto::{Kopecks, Thousandths};
use tillway_tests::pos::{Basket, Entry, Tender};

#[test]
fn age_zstd_tar_and_sqlite3_open_a_backup_and_find_what_was_sold() {
    let (bench, till) = shop_with_a_till();
    let mut pos = till.pos().unwrap();
    pos.open_shift(1, 1, now()).unwrap();
    let paid = vec![Tender::Cash(Kopecks(1_000))];
    let sale = Basket::sale(now(), vec![Entry::new("b1", Thousandths(1_000))], paid);
    let rung = pos.ring(&sale).unwrap().uuid.to_string();
    till.command(&["unload"]).unwrap();
    has_receipts(&bench.server, &till, 1, &[rung]);
    bench.server.command(&["backup", "create"]).unwrap();
    let listed: Vec<Value> =
        serde_json::from_str(&bench.server.command(&["--json", "backup", "list"]).unwrap()).unwrap();
    let file = bench.server.data().join("server-backups").join(listed[0]["name"].as_str().unwrap());
    let folder = bench.folder().join("by hand");
    fs::create_dir(&folder).unwrap();
    let key = folder.join("key");
    fs::write(&key, bench.server.command(&["backup", "key"]).unwrap()).unwrap();
    let mut pipe = Command::new("/bin/sh");
    pipe.args(["-ec", "/usr/bin/age -d -i \"$1\" \"$2\" | /usr/bin/zstd -dq | /bin/tar -xf - -C \"$3\"", "sh"]);
    said({
        pipe.arg(&key).arg(&file).arg(&folder);
        pipe
    });
    let manifest: Value = serde_json::from_str(&fs::read_to_string(folder.join("manifest.json")).unwrap()).unwrap();
    for (database, tables) in manifest["rows"].as_object().unwrap() {
        let path = folder.join("databases").join(database);
        assert_eq!(said(sqlite3(&path, "PRAGMA integrity_check")), "ok\n", "{database}");
        for (table, rows) in tables.as_object().unwrap() {
            assert_eq!(said(sqlite3(&path, &format!("SELECT count(*) FROM \"{table}\""))).trim(), rows.to_string());
        }
    }
    let sold = said(sqlite3(&folder.join("databases/sales.db"), "SELECT till, count(*) FROM receipt GROUP BY till"));
    assert_eq!(sold, format!("{}|1\n", till.id));
    let settings = fs::read_to_string(folder.join("settings/cash-server.toml")).unwrap();
    assert_eq!(settings, fs::read_to_string(bench.server.settings_file()).unwrap());
}
