//! Valid inputs: the fixtures of every version, and a few that are made here.

use flate2::read::GzDecoder;
use fs_err as fs;
use std::io::Read as _;
use std::path::Path;

/// Larger ones are cut: a mutation in the first part says as much, and sooner.
const MAX_SEED_BYTES: usize = 64 * 1024;

const AIF: &str = concat!(
    r#"{"command":"clearInventory"}"#,
    "\n---\n",
    r#"{"command":"addInventItem","invent":{"inventcode":"1","name":"Milk","barcode":"460","price":89.9,"barcodes":[{"barcode":"461","price":1}],"additionalprices":[{"pricecode":2,"price":"7.50"}]}}"#,
    "\n---\n",
    r#"{"command":"addPrice","price":{"barcode":"460","price":79.9,"doctype":1,"documentid":"SHELF","effectivedate":"2026-01-31"}}"#,
    "\n---\n",
    r#"{"command":"deleteInventItem","inventcode":"1"}"#,
    "\n---\n",
    r#"{"command":"addMCashUser","mcashuser":{"code":"1","name":"Кассир","roles":[{"rolecode":"1"}]}}"#,
    "\n---\n"
);

const LOGGING: &str = "[loggers]\nkeys=root,sync\n[logger_sync]\nlevel=DEBUG\nhandlers=fileHandler\n[handler_fileHandler]\n\
     class=handlers.RotatingFileHandler\nargs=('/var/log/sync.log','a',1000000,5)\n";

/// Seeds of a body.
pub(crate) fn of(body: &str) -> Vec<Vec<u8>> {
    let mut seeds = match body {
        "aif" => vec![AIF.into()],
        "aif_json" => {
            vec![format!("[{}]", AIF.trim_end_matches("---\n").replace("\n---\n", ",").trim_end_matches(',')).into()]
        }
        "amqp_command" => fixtures(&["messages/command-"]),
        "amqp_report" => fixtures(&["messages/report-"]),
        "documents_db" => fixtures(&["documents.db.gz"]),
        "grpc_frames" => fixtures(&["-frame-"]),
        "logging_conf" => fixtures(&["logging.conf"]),
        "package" => fixtures(&[".twp"]),
        "package_messages" => messages(),
        "queue_file" => fixtures(&["/batch", ".msg"]),
        "row_decode" => rows(),
        "settings_ini" => fixtures(&["cash.ini"]),
        "settings_toml" => fixtures(&["cash-server.toml"]),
        "spool_segment" => fixtures(&[".spool.gz"]),
        _ => Vec::new(),
    };
    match body {
        "logging_conf" => seeds.push(LOGGING.into()),
        "settings_toml" => seeds.push(tillway_cash_server::settings::DEFAULT_SETTINGS.into()),
        _ => {}
    }
    assert!(!seeds.is_empty(), "no seeds for {body}");
    seeds
}

/// Files of all versions whose path has one of these in it; compressed ones unpacked.
fn fixtures(marks: &[&str]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), marks, &mut found);
    found
}

fn collect(folder: &Path, marks: &[&str], found: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, marks, found);
            continue;
        }
        if !marks.iter().any(|mark| path.display().to_string().contains(mark)) {
            continue;
        }
        let mut bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut unpacked = Vec::new();
            GzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
            bytes = unpacked;
        }
        // A database is read whole or not at all.
        if !bytes.starts_with(b"SQLite") {
            bytes.truncate(MAX_SEED_BYTES);
        }
        found.push(bytes);
    }
}

/// Messages of the file queue are an envelope around those of a package: here the bodies, each
/// behind its length.
fn messages() -> Vec<Vec<u8>> {
    use tillway_file_queue::format::{MessageHeader, open_from};
    let mut bodies = Vec::new();
    for file in fixtures(&[".msg"]) {
        let length = file.len() as u64;
        let Ok(opened) = open_from::<MessageHeader, _>(file.as_slice(), length) else { continue };
        let Ok((_, body)) = opened.body() else { continue };
        let mut seed = u16::try_from(body.len()).unwrap().to_le_bytes().to_vec();
        seed.extend(body);
        bodies.push(seed);
    }
    bodies
}

fn rows() -> Vec<Vec<u8>> {
    use tillway_exchangers::formats::aif::RecordReader;
    use tillway_exchangers::records::Command;
    let mut rows = Vec::new();
    for record in RecordReader::new(AIF.as_bytes()) {
        if let Ok(Command::Upsert(expansion)) = record.unwrap().command {
            rows.push(expansion.main.body);
            rows.extend(expansion.owned.into_iter().map(|object| object.body));
        }
    }
    rows
}
