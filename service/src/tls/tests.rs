//! What the folder of authority and certificates holds as time passes.

use super::*;
use fs_err as fs;
use rcgen::generate_simple_self_signed;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

/// A folder, and a clock that is set.
struct Place {
    folder: TempDir,
    seconds: Arc<AtomicI64>,
}

const BEGIN: i64 = 1_800_000_000;

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), seconds: Arc::new(AtomicI64::new(BEGIN)) }
    }

    fn day(&self, day: i64) {
        self.seconds.store(BEGIN + day * 86_400, Ordering::Relaxed);
    }

    fn settings(&self) -> TlsSettings {
        TlsSettings {
            folder: self.folder.path().join("tls"),
            issuer: "test".to_owned(),
            names: Names::of(["localhost", "127.0.0.1"]),
            others: vec![("broker", Names::of(["broker.example"]))],
            own: None,
            lives: Lives::default(),
        }
    }

    fn open(&self) -> Tls {
        self.open_with(self.settings()).unwrap()
    }

    fn open_with(&self, settings: TlsSettings) -> Result<Tls, TlsError> {
        let seconds = Arc::clone(&self.seconds);
        Tls::open(settings, Arc::new(move || Timestamp::from_second(seconds.load(Ordering::Relaxed)).unwrap()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("tls").join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }
}

fn fingerprints(tls: &Tls) -> Vec<Fingerprint> {
    tls.state().authorities.iter().map(|authority| authority.fingerprint).collect()
}

#[test]
fn the_first_start_makes_an_authority_and_the_second_keeps_it_with_its_certificates() {
    let place = Place::new();
    let first = place.open();
    let made: Vec<_> = ["authority.pem", "server.pem", "server.key", "broker.pem"].map(|name| place.text(name)).into();
    for key in ["authority.key", "server.key", "broker.key"] {
        assert_eq!(fs::metadata(place.file(key)).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
    let second = place.open();
    assert_eq!(fingerprints(&second), fingerprints(&first));
    let kept: Vec<_> = ["authority.pem", "server.pem", "server.key", "broker.pem"].map(|name| place.text(name)).into();
    assert_eq!(kept, made);
    assert_eq!(second.authorities_pem(), place.text("authority.pem"));
}

#[test]
fn other_names_make_another_certificate_of_the_same_authority_and_key() {
    let place = Place::new();
    let before = fingerprints(&place.open());
    let (certificate, key) = (place.text("server.pem"), place.text("server.key"));
    let names = Names::of(["localhost", "10.0.0.7"]);
    let tls = place.open_with(TlsSettings { names: names.clone(), ..place.settings() }).unwrap();
    assert_ne!(place.text("server.pem"), certificate);
    assert_eq!((place.text("server.key"), fingerprints(&tls)), (key, before));
    assert_eq!(Certificate::from_pem(&place.text("server.pem")).unwrap().names, names);
}

#[test]
fn a_certificate_is_made_anew_at_two_thirds_of_its_life_and_keeps_its_key() {
    let place = Place::new();
    let tls = place.open();
    let (certificate, key) = (place.text("broker.pem"), place.text("broker.key"));
    place.day(59);
    tls.renew().unwrap();
    assert_eq!(place.text("broker.pem"), certificate);
    place.day(60);
    tls.renew().unwrap();
    assert_ne!(place.text("broker.pem"), certificate);
    assert_eq!(place.text("broker.key"), key);
    let left =
        |name| tls.state().certificates.iter().find(|one| one.name == name).unwrap().validity.days_left(tls.now());
    assert_eq!((left("server"), left("broker")), (90, 90));
    assert_ne!(
        Certificate::from_pem(&certificate).unwrap().fingerprint(),
        Certificate::from_pem(&place.text("broker.pem")).unwrap().fingerprint()
    );
}

#[test]
fn a_new_authority_is_handed_out_before_it_signs_and_the_old_one_until_it_ends() {
    let place = Place::new();
    let tls = place.open();
    let first = fingerprints(&tls);
    place.day(2_500);
    tls.renew().unwrap();
    let both = fingerprints(&tls);
    assert_eq!((both.len(), both[0]), (2, first[0]));
    place.day(2_619);
    tls.renew().unwrap();
    assert_eq!(fingerprints(&tls), both);
    place.day(2_620);
    tls.renew().unwrap();
    assert_eq!(fingerprints(&tls), [both[1], both[0]], "it signs, and who trusts the old one alone is not lost yet");
    let signer = Certificate::from_pem(&place.text("authority.pem")).unwrap();
    assert!(Certificate::from_pem(&place.text("server.pem")).unwrap().was_signed_by(&signer));
    assert_eq!(tls.authorities_pem().matches("BEGIN CERTIFICATE").count(), 2);
    place.day(3_660);
    tls.renew().unwrap();
    assert_eq!(fingerprints(&tls), [both[1]]);
}

#[test]
fn a_change_of_authorities_that_was_cut_off_goes_on() {
    let place = Place::new();
    let tls = place.open();
    place.day(2_500);
    tls.renew().unwrap();
    let both = fingerprints(&tls);
    // Between the two renames.
    fs::rename(place.file("next-authority.key"), place.file("authority.key")).unwrap();
    assert_eq!(fingerprints(&place.open()), [both[1]]);
    place.day(2_501);
    tls.renew().unwrap();
}

#[test]
fn an_authority_that_ended_while_the_machine_was_off_is_followed_by_a_new_one() {
    let place = Place::new();
    let first = fingerprints(&place.open());
    place.day(4_000);
    let tls = place.open();
    assert_eq!(fingerprints(&tls).len(), 1);
    assert_ne!(fingerprints(&tls), first);
    assert!(tls.state().certificates.iter().all(|one| one.validity.holds_at(tls.now())));
}

#[test]
fn a_lost_key_of_the_authority_is_told_and_damaged_certificates_are_made_anew() {
    let place = Place::new();
    let before = fingerprints(&place.open());
    fs::write(place.file("server.pem"), "damaged").unwrap();
    fs::write(place.file("broker.key"), b"\xff").unwrap();
    assert_eq!(fingerprints(&place.open()), before);
    assert!(place.text("server.pem").contains("BEGIN CERTIFICATE"));
    fs::remove_file(place.file("authority.key")).unwrap();
    let error = place.open_with(place.settings()).unwrap_err();
    assert!(matches!(&error, TlsError::AuthorityKey { .. }) && error.to_string().contains("authority.key"), "{error}");
}

#[test]
fn own_certificates_are_shown_trusted_and_taken_up_when_they_change() {
    let place = Place::new();
    let files = OwnFiles {
        cert: place.folder.path().join("own.pem"),
        key: place.folder.path().join("own.key"),
        authority: None,
    };
    let settings = TlsSettings { own: Some(files.clone()), ..place.settings() };
    let error = place.open_with(settings.clone()).unwrap_err();
    assert!(error.to_string().contains("own.pem"), "{error}");
    let put = || {
        let made = generate_simple_self_signed(vec!["site.example".to_owned()]).unwrap();
        fs::write(&files.cert, made.cert.pem()).unwrap();
        let fingerprint = Fingerprint::of(made.cert.der());
        (fingerprint, made.signing_key.serialize_pem())
    };
    let (first, key) = put();
    fs::write(&files.key, key).unwrap();
    let tls = place.open_with(settings).unwrap();
    assert_eq!((fingerprints(&tls)[0], fingerprints(&tls).len()), (first, 2), "it, and our own for what we make");
    assert!(tls.state().certificates[0].is_foreign);
    let (second, key) = put();
    tls.renew().unwrap();
    assert_eq!(fingerprints(&tls)[0], first, "the key is not there yet");
    fs::write(&files.key, key).unwrap();
    tls.renew().unwrap();
    assert_eq!(fingerprints(&tls)[0], second);
}

#[test]
fn a_copy_of_a_pair_is_for_its_group_follows_a_renewal_and_is_left_alone_where_it_is_right() {
    let place = Place::new();
    let (tls, copies) = (place.open(), place.folder.path().join("copies"));
    assert!(matches!(tls.copy_pair("broker", &copies), Err(TlsError::File { .. })), "the folder is not there");
    fs::create_dir(&copies).unwrap();
    let copied = |name: &str| fs::read_to_string(copies.join(name)).unwrap();
    tls.copy_pair("broker", &copies).unwrap();
    for name in ["broker.key", "broker.pem"] {
        assert_eq!(copied(name), place.text(name));
        assert_eq!(fs::metadata(copies.join(name)).unwrap().permissions().mode() & 0o777, 0o640, "{name}");
    }
    assert_eq!(fs::read_dir(&copies).unwrap().count(), 2, "nothing else of the folder");
    let inode = |name: &str| std::os::unix::fs::MetadataExt::ino(&fs::metadata(copies.join(name)).unwrap());
    let before = [inode("broker.key"), inode("broker.pem")];
    tls.copy_pair("broker", &copies).unwrap();
    assert_eq!([inode("broker.key"), inode("broker.pem")], before);
    place.day(61);
    tls.renew().unwrap();
    assert_ne!(copied("broker.pem"), place.text("broker.pem"));
    tls.copy_pair("broker", &copies).unwrap();
    assert_eq!((copied("broker.pem"), inode("broker.key")), (place.text("broker.pem"), before[0]));
}
