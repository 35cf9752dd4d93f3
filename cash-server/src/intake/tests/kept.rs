//! The file of a load is read as it came, packed or not, taken or refused; then it goes by age.

use super::*;
use crate::intake::cleaning;
use std::io::Read as _;

fn read(running: &Running, load: &LoadRecord) -> Option<(String, Option<Timestamp>, Vec<u8>)> {
    let kept = running.intake.kept(load)?;
    let mut bytes = Vec::new();
    kept.open(running.intake.may_read_kept().unwrap()).unwrap().read_to_end(&mut bytes).unwrap();
    Some((kept.name, kept.until, bytes))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_load_is_read_as_it_came_until_its_age_takes_it() {
    let kit = Kit::new();
    let running = kit.start();
    let text = file_of(&[unit(1, "kg")]);
    kit.deliver("All", "pos1", &text);
    kit.gone("All", "pos1").await;
    let load = kit.newest();
    let (name, until, bytes) = read(&running, &load).unwrap();
    assert_eq!((name, String::from_utf8(bytes).unwrap()), (format!("load-{}-pos1.aif", load.id.0), text));
    let days = until.unwrap().duration_since(load.queued_at).as_hours();
    assert!((29 * 24..=31 * 24).contains(&days), "{days}");

    // Long ones are packed a little later: whichever is there is read.
    let units: Vec<String> = (0..60_000).map(|n| unit(n % 90_000, &format!("unit {n} of many"))).collect();
    let long = file_of(&units);
    assert!(long.len() > 4 * 1024 * 1024, "{}", long.len());
    kit.deliver("All", "pos2", &long);
    kit.gone("All", "pos2").await;
    let (_, _, bytes) = read(&running, &kit.newest()).unwrap();
    assert!(bytes == long.as_bytes(), "{} of {} bytes", bytes.len(), long.len());

    kit.deliver("All", "pos3", &vec![0; 5000]);
    let refused = kit.not_taken("All", "pos3").await;
    let (_, until, bytes) = read(&running, &refused).unwrap();
    assert_eq!((until, bytes), (None, vec![0; 5000]), "it lies with its producer");

    let permits: Vec<_> = (0..4).map(|_| running.intake.may_read_kept().unwrap()).collect();
    assert!(running.intake.may_read_kept().is_none(), "four at a time");
    drop(permits);
    let of_a_name = |name: &str| {
        let mut record = load.clone();
        record.source = crate::store::intake::LoadSource::Folder(PathBuf::from(name));
        record.id = LoadId(7);
        crate::intake::kept::name_of(&record)
    };
    assert_eq!(of_a_name("/in/a\"b\r\nc;d.aif"), "load-7-a_b__c_d.aif");
    assert_eq!(of_a_name("/in/товары.aif"), "load-7-______.aif");
    running.stop().await;
    let intake = kit.intake();
    let later = SystemTime::now() + Duration::from_hours(24 * 40);
    cleaning::clean(&intake, std::iter::empty(), later).unwrap();
    assert!(intake.kept(&load).is_some(), "of the newest loads none goes by its age alone");
    fs::remove_dir_all(&kit.settings.backup).unwrap();
    assert!(intake.kept(&load).is_none());
}
