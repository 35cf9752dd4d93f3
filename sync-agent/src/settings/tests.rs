use super::*;

const LEAST: &str = "[Properties]\ncash.code=_cash_1_00ab34ef\ndept.broker.ip=10.0.0.1\n";

fn read(text: &str) -> Result<Settings, SettingsError> {
    Settings::parse(text.as_bytes(), Path::new("/nowhere/cash.ini"), &Layout::default())
}

fn faults(text: &str) -> Vec<String> {
    match read(text) {
        Err(SettingsError::Wrong { faults, .. }) => faults.0.iter().map(ToString::to_string).collect(),
        other => panic!("expected faults, got {other:?}"),
    }
}

#[test]
fn every_key_has_its_default() {
    let settings = read(LEAST).unwrap();
    assert_eq!(settings.mode, Mode::Cash);
    assert_eq!((settings.shop, settings.token), (None, None));
    assert!(settings.report_load_steps && settings.report_unloads);
    assert_eq!(settings.contact_period, Duration::from_mins(1));
    let password_file = PathBuf::from("/nowhere/broker.password");
    assert_eq!(
        settings.broker,
        BrokerSettings {
            host: "10.0.0.1".to_owned(),
            port: 5672,
            user: "_cash_1_00ab34ef".to_owned(),
            password_file,
            own_password: None,
            vhost: "/".to_owned(),
            tls: false,
            authority: None,
            heartbeat: DEFAULT_HEARTBEAT,
        }
    );
    assert_eq!(settings.packages, PackageSettings { host: "10.0.0.1".to_owned(), port: 80 });
    assert_eq!(
        settings.load,
        LoadSettings {
            through_queue: true,
            queue_root: PathBuf::from("/linuxcash/cash/data/queues"),
            chunk_objects: 25_000,
            script: None,
        }
    );
    assert_eq!(
        settings.sales,
        SalesSettings {
            host: "10.0.0.1".to_owned(),
            port: 10_001,
            root_certificate: None,
            through_server: true,
            rest_host: "10.0.0.1".to_owned(),
            rest_port: 8080,
            script: None,
            period: Some(Duration::from_hours(1)),
        }
    );
    let folder = PathBuf::from("/linuxcash/cash/sync/backup");
    assert_eq!(settings.backup, BackupSettings { folder, max_files: 30, max_days: 30 });
    assert_eq!(
        settings.paths,
        Paths {
            data: PathBuf::from("/linuxcash/cash/data/sync"),
            dictionaries: PathBuf::from("/linuxcash/cash/data/dictionaries.db"),
            documents: PathBuf::from("/linuxcash/cash/data/documents.db"),
            errors_file: None,
        }
    );
    assert_eq!(settings.log.file, Some(PathBuf::from("/linuxcash/logs/current/sync.log")));
}

#[test]
fn every_key_is_read_in_any_case() {
    let text = "[properties]\nDEPT.Broker.IP=broker\ndept.broker.PORT=1\nbrokerConnectionHeartbeat=7\n\
        cash.code=_cash_1_00ab34ef\nStoreId=_shop_2_00ab34ef\nmode=CASH\nuseQueueInUpload=FALSE\nuploadscript=/up\n\
        unloadscript=/down\nmaxcountbackupfiles=3\nactualcountdaysforbackupfiles=4\ncashserverrestport=5\n\
        dicturlhostcs=dict\ndicturlportcs=6\ngrpchostcs=grpc\ngrpcportcs=8\ngrpccacertpath=/ca\nprotocolversion=5\n\
        unloadsalesrequestthroughcs=false\nfilequeueroot=/queues\nqueuechunksize=9\nhttphostcs=[::1]\n\
        isdebugdictstatussend=false\nisdebugsalestatussend=False\nerrorsFilePath=/errors\ndept.broker.user=u\n\
        dept.broker.passwordfile=/pw\ndept.broker.vhost=v\ncash.token=t\ndatafolder=/data\ndictionariesdb=/d.db\n\
        documentsdb=/s.db\nbackupfolder=/b\nunloadperiod=0\ncontactperiod=2\n";
    let settings = read(text).unwrap();
    assert_eq!(settings.shop.unwrap().code(), "2");
    assert_eq!(settings.token.as_deref(), Some("t"));
    assert!(!settings.report_load_steps && !settings.report_unloads);
    assert_eq!(settings.contact_period, Duration::from_secs(2));
    let broker = settings.broker;
    assert_eq!(
        (broker.host.as_str(), broker.port, broker.user.as_str(), broker.vhost.as_str()),
        ("broker", 1, "u", "v")
    );
    assert_eq!((broker.heartbeat, broker.password_file), (Duration::from_secs(7), PathBuf::from("/pw")));
    assert_eq!(settings.packages, PackageSettings { host: "dict".to_owned(), port: 6 });
    let (queue_root, script) = (PathBuf::from("/queues"), Some(PathBuf::from("/up")));
    assert_eq!(settings.load, LoadSettings { through_queue: false, queue_root, chunk_objects: 9, script });
    assert_eq!(
        settings.sales,
        SalesSettings {
            host: "grpc".to_owned(),
            port: 8,
            root_certificate: Some(PathBuf::from("/ca")),
            through_server: false,
            rest_host: "::1".to_owned(),
            rest_port: 5,
            script: Some(PathBuf::from("/down")),
            period: None,
        }
    );
    assert_eq!(settings.backup, BackupSettings { folder: PathBuf::from("/b"), max_files: 3, max_days: 4 });
    assert_eq!(settings.paths.data, PathBuf::from("/data"));
    assert_eq!(settings.paths.dictionaries, PathBuf::from("/d.db"));
    assert_eq!(settings.paths.documents, PathBuf::from("/s.db"));
    assert_eq!(settings.paths.errors_file, Some(PathBuf::from("/errors")));
}

#[test]
fn a_bad_value_names_key_value_line_and_what_is_allowed() {
    for (line, told) in [
        ("mode=till", "line 4: mode = `till`: allowed is cash or server"),
        ("usequeueinupload=yes", "line 4: usequeueinupload = `yes`: allowed is True or False"),
        ("grpcportcs=70000", "line 4: grpcportcs = `70000`: allowed is a whole number from 1 to 65535"),
        ("queuechunksize=0", "line 4: queuechunksize = `0`: allowed is a whole number from 1 to 1000000"),
        ("storeid=_cash_1_00ab34ef", "line 4: storeid = `_cash_1_00ab34ef`: allowed is an id `_shop_<code>_<8 hex>`"),
        ("uploadscript=up.sh", "line 4: uploadscript = `up.sh`: allowed is a path that begins with /"),
        ("dicturlhostcs=a/b", "line 4: dicturlhostcs = `a/b`: allowed is a host name or an address"),
    ] {
        assert_eq!(faults(&format!("{LEAST}{line}\n")), [told]);
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let told = faults("[Properties]\ndept.broker.port=x\nnonsense\nmaxcountbackupfiles=-1\n");
    assert_eq!(told.len(), 3 + 2, "{told:#?}");
    assert!(told[3].starts_with("cash.code is missing") && told[4].starts_with("dept.broker.ip is missing"));
}

#[test]
fn keys_of_other_sections_do_not_count() {
    assert_eq!(read(&format!("{LEAST}[Other]\nmode=nonsense\n")).unwrap().mode, Mode::Cash);
}

#[test]
fn a_root_moves_the_defaults_and_not_what_stands_in_the_file() {
    let text = format!("{LEAST}filequeueroot=/queues\n");
    let settings = Settings::parse(text.as_bytes(), Path::new("/nowhere/cash.ini"), &Layout::under("/t")).unwrap();
    assert_eq!(settings.paths.dictionaries, PathBuf::from("/t/linuxcash/cash/data/dictionaries.db"));
    assert_eq!(settings.load.queue_root, PathBuf::from("/queues"));
    assert_eq!(Layout::under("/t").settings_file(), PathBuf::from("/t/linuxcash/cash/sync/properties/cash.ini"));
}

#[test]
fn whatever_stands_in_the_file_is_told_in_few_words() {
    let torn = LEAST.as_bytes()[..30].to_vec();
    let long = [LEAST.as_bytes(), b"storeid=", &vec![b'x'; 5_000_000]].concat();
    let rows = [LEAST.as_bytes(), "stray\n".repeat(100_000).as_bytes()].concat();
    let cases = [Vec::new(), torn, vec![0; 65_536], vec![0xff; 65_536], b"\xef\xbb\xbf".to_vec(), long, rows];
    for bytes in cases {
        let error = Settings::parse(&bytes, Path::new("/nowhere/cash.ini"), &Layout::default()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, SettingsError::Wrong { .. }) && text.len() < 20_000, "{} bytes", text.len());
        assert!(!text.contains('\0') && text.contains("cash.ini"));
    }
}

#[test]
fn a_byte_order_mark_and_a_section_opened_twice_are_no_faults() {
    let text = format!("\u{feff}{LEAST}[Other]\nx=1\n[properties]\nstoreid=\ndept.broker.ip=10.0.0.2\n");
    assert_eq!(read(&text).unwrap().broker.host, "10.0.0.2", "the last one counts");
}

#[test]
fn protocols_of_another_product_are_refused_with_what_to_do() {
    for version in ["3", "4", "6", "five"] {
        let told = faults(&format!("{LEAST}protocolversion={version}\n"));
        assert!(told.len() == 1 && told[0].contains("line 4") && told[0].contains("sync-agent attach"), "{told:?}");
    }
    assert!(read(&format!("{LEAST}protocolversion=5\n")).is_ok());
}
