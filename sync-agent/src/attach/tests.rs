//! What becomes of a `cash.ini`, and of the use of a code.

use super::files::write;
use super::*;
use crate::settings::trust::tests::AUTHORITY;
use crate::settings::{Layout, Settings};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tillway_proto::cash_ini::Properties;
use tillway_proto::{PeerSecret, Revision};

const OLD: &str = "; ours\r\n[Properties]\r\nCash.Code = _cash_1_00ab34ef\r\ncash.token=tw1_old\r\nprotocolversion=4\r\n\
    brokerconnectionheartbeat=7\r\nuploadscript=/bin/up\r\ngrpchostcs=old\r\ndept.broker.ip=10.9.9.9\r\n";

fn attached(till: &str) -> Attached {
    Attached {
        peer: till.parse().unwrap(),
        secret: PeerSecret::generate(),
        authorities: AUTHORITY.clone(),
        broker_password: Some("pass word".to_owned()),
        settings: Properties {
            till: till.to_owned(),
            shop: Some("_shop_7_0011aabb".to_owned()),
            secret: String::new(),
            broker_host: String::new(),
            broker_port: 5672,
            broker_tls: None,
            broker_vhost: "/".to_owned(),
            broker_user: Some("tills".to_owned()),
            heartbeat_s: 30,
            rest_port: 8080,
            packages_host: "cdn".to_owned(),
            packages_port: 80,
            sales_host: String::new(),
            sales_port: 10_001,
            rest_host: String::new(),
        },
        revision: Revision(3),
    }
}

fn place(folder: &Path) -> Place {
    Place::find(&folder.join("cash.ini"), Layout::under(folder)).unwrap()
}

fn server() -> ServerAddress {
    "shop7:8080".parse().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_till_without_settings_gets_all_of_them_and_nobody_else_reads_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    assert_eq!(place.own_till(), None);
    let given = attached("_cash_1_00ab34ef");
    let (secret, pem) = (given.secret.clone(), given.authorities.clone());
    assert_eq!(write(&place, &given, &server()).unwrap(), None);
    let file = folder.path().join("cash.ini");
    let settings = Settings::read(&file, &Layout::under(folder.path())).unwrap();
    assert_eq!((settings.till.as_str(), settings.secret), ("_cash_1_00ab34ef", Some(secret)));
    // Hosts that the server does not know are where the till found it.
    assert_eq!((settings.broker.host.as_str(), settings.sales.host.as_str()), ("shop7", "shop7"));
    assert_eq!(settings.packages.host, "cdn");
    let authorities = place.data().join("trust/authorities.pem");
    assert_eq!(fs::read_to_string(&settings.broker.password_file).unwrap(), "pass word\n");
    assert_eq!((fs::read_to_string(&authorities).unwrap(), settings.trust.pem()), (pem.clone(), pem.as_str()));
    for path in [&file, &authorities, &settings.broker.password_file] {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(authorities.parent().unwrap()), 0o700);
}

#[test]
fn a_file_that_is_there_keeps_what_is_the_sites_own_and_a_copy_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cash.ini");
    fs::write(&file, OLD).unwrap();
    let place = place(folder.path());
    assert_eq!(place.own_till().unwrap().as_str(), "_cash_1_00ab34ef");
    let given = attached("_cash_1_00ab34ef");
    let secret = given.secret.to_text();
    let former = write(&place, &given, &server()).unwrap().unwrap();
    assert_eq!((fs::read_to_string(&former).unwrap().as_str(), mode(&former)), (OLD, 0o600));
    let text = fs::read_to_string(&file).unwrap();
    for kept in [
        "; ours\r\n",
        "Cash.Code = _cash_1_00ab34ef\r\n",
        "brokerconnectionheartbeat=7\r\n",
        "uploadscript=/bin/up\r\n",
    ] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    for set in ["cash.token=\r\n", "protocolversion=5\r\n", "grpchostcs=shop7\r\n", "dept.broker.ip=shop7\r\n"] {
        assert!(text.contains(set), "{set}: {text}");
    }
    assert!(text.contains(&format!("cash.secret={secret}\r\n")), "{text}");
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn a_login_of_its_own_takes_the_place_of_the_one_that_all_tills_shared() {
    let folder = tempfile::tempdir().unwrap();
    let (file, password) = (folder.path().join("cash.ini"), folder.path().join("broker.password"));
    fs::write(&file, format!("{OLD}dept.broker.user=tills\r\ndept.broker.passwordfile={}\r\n", password.display()))
        .unwrap();
    fs::write(&password, "of all\n").unwrap();
    let mut given = attached("_cash_1_00ab34ef");
    (given.broker_password, given.settings.broker_user) = (None, None);
    write(&place(folder.path()), &given, &server()).unwrap();
    let broker = Settings::read(&file, &Layout::under(folder.path())).unwrap().broker;
    assert_eq!((broker.user.as_str(), broker.own_password), ("_cash_1_00ab34ef", Some(given.secret.broker_password())));
    assert!(!password.exists(), "it would win");
}

#[test]
fn the_sites_own_certificate_keeps_the_host_that_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cash.ini");
    fs::write(&file, format!("{OLD}grpccacertpath=/ca.pem\r\n")).unwrap();
    write(&place(folder.path()), &attached("_cash_1_00ab34ef"), &server()).unwrap();
    assert!(fs::read_to_string(&file).unwrap().contains("grpchostcs=old\r\n"));
}

#[test]
fn settings_with_faults_are_refused_before_a_code_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cash.ini");
    fs::write(&file, "[Properties]\ncash.code=till 1\nunloadperiod=often\n").unwrap();
    let refused = Place::find(&file, Layout::under(folder.path())).unwrap_err();
    for language in crate::words::Language::ALL {
        let told = refused.told(crate::words::of(language));
        assert!(told.contains("cash.code") && told.contains("unloadperiod"), "{told}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else was made");
}

#[test]
fn an_attempt_outlives_its_process_until_all_is_written_and_belongs_to_one_code() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let [one, other] = [0, 1].map(|_| AttachCode::generate().name);
    let begun = Attempts::open(&place, one).unwrap().attempt();
    assert_eq!(Attempts::open(&place, one).unwrap().attempt(), begun);
    assert_eq!(mode(&place.data().join("attach.attempt")), 0o600);
    let of_other = Attempts::open(&place, other).unwrap();
    assert_ne!(of_other.attempt(), begun);
    of_other.done();
    assert_ne!(Attempts::open(&place, other).unwrap().attempt(), begun);
}

#[test]
fn a_clock_that_is_off_by_years_is_told_with_both_times() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let now = at("2026-11-30T20:00:00Z");
    assert!(clock(now, at("2026-11-30T20:05:00Z")).is_ok());
    for wrong in ["2020-01-01T00:00:00Z", "2031-01-01T00:00:00Z"] {
        let told = clock(at(wrong), now).unwrap_err().told(crate::words::of(crate::words::Language::English));
        assert!(told.contains(wrong) && told.contains("2026-11-30T20:00:00Z"), "{told}");
    }
}

/// Every sentence has all that it needs, in both languages.
#[test]
fn every_failure_has_its_sentence() {
    let [a, b] = ["one", "two"].map(str::to_owned);
    let refusal = |kind: &str| {
        let text = format!(r#"{{"kind":"{kind}","status":410,"detail":"d","parameters":{{"at":"T"}}}}"#);
        AttachError::Refused(serde_json::from_str(&text).unwrap())
    };
    let errors = [
        AttachError::Unreachable { server: a.clone(), detail: b.clone() },
        AttachError::NoTls { server: a.clone(), detail: b.clone() },
        AttachError::NotThere { server: a.clone(), status: 404 },
        AttachError::Unreadable { server: a.clone(), detail: b.clone() },
        AttachError::WrongServer { server: a.clone() },
        AttachError::AnswerLost { server: a.clone(), detail: b.clone() },
        AttachError::SlowDown { wait: Duration::from_secs(7) },
        AttachError::Versions { own: a.clone(), server: b.clone() },
        AttachError::Clock { ours: a.clone(), theirs: b.clone() },
        AttachError::File { source: std::io::Error::other("disk") },
        AttachError::Settings { path: PathBuf::from("/cash.ini"), faults: a.clone() },
        AttachError::Running { detail: b },
        refusal("attach-code-used"),
        refusal("attach-code-ended"),
        refusal("attach-wrong-proof"),
        refusal("attach-other-till"),
        refusal("attach-till-gone"),
        refusal("attach-versions"),
        refusal("of-a-newer-server"),
    ];
    for language in crate::words::Language::ALL {
        let told: Vec<String> = errors.iter().map(|error| error.told(crate::words::of(language))).collect();
        let different: std::collections::HashSet<_> = told.iter().collect();
        assert_eq!(different.len(), errors.len());
        // A message that cannot be worded is told by its id.
        assert!(told.iter().all(|text| !text.starts_with("attach-") && text.contains(' ')), "{told:#?}");
    }
}
