use super::container::{self, Magic};
use super::header::Mode::{Difference, Snapshot};
use super::*;
use crate::kinds::Kind;
use fs_err as fs;
use std::path::Path;
use tempfile::TempDir;
use tillway_proto::{Digest, Revision};

/// `golden/package-v1.twp`, as version 1 wrote it. It stays as it is for ever.
const GOLDEN: &str = "fa428416ebc1d4175b2ddd7c0b123c110d494036c3b63e6a4b362eeb23154604";

fn kind(name: &str) -> Kind {
    Kind::by_name(name).unwrap()
}

fn facts(kinds: &[(&str, Mode, u64)]) -> Facts {
    let kinds = kinds.iter().map(|(name, mode, rows)| KindFacts {
        kind: kind(name),
        mode: *mode,
        rows: *rows,
        digest: Digest(u128::from(*rows) * 7),
    });
    Facts { from: Revision(17), to: Revision(18), layers: vec!["_chain_main_00000001".into()], kinds: kinds.collect() }
}

fn build_golden(folder: &Path) -> BuiltPackage {
    let mut builder = PackageBuilder::new(folder).unwrap();
    builder.add(kind("item"), &Record::Upsert { key: "100", row: &[1, 0x0e, b'1', b'0', b'0'] }).unwrap();
    builder.add(kind("item"), &Record::Delete { key: "101" }).unwrap();
    builder.add(kind("unit"), &Record::Upsert { key: "796", row: &[1, 0] }).unwrap();
    builder.finish(facts(&[("item", Difference, 92_000), ("unit", Snapshot, 1), ("card", Difference, 5)])).unwrap()
}

/// `count` records of kind item in one package, every tenth of them a delete.
fn build_items(folder: &Path, count: u64) -> BuiltPackage {
    let mut builder = PackageBuilder::new(folder).unwrap();
    for number in 0..count {
        let key = format!("{number:08}");
        let row = format!("row of {number}");
        let record = if number % 10 == 9 {
            Record::Delete { key: &key }
        } else {
            Record::Upsert { key: &key, row: row.as_bytes() }
        };
        builder.add(kind("item"), &record).unwrap();
    }
    builder.finish(facts(&[("item", Difference, 1_000_000)])).unwrap()
}

/// Kind, key, and the row of an upsert.
type Content = (String, String, Option<Vec<u8>>);

fn contents(source: &mut impl PackageSource) -> Result<Vec<Content>, PackageError> {
    let mut all = Vec::new();
    while let Some(chunk) = source.next_chunk()? {
        for record in chunk.records() {
            let (key, row) = match record.unwrap() {
                Record::Upsert { key, row } => (key, Some(row.to_vec())),
                Record::Delete { key } => (key, None),
            };
            all.push((chunk.kind().to_owned(), key.to_owned(), row));
        }
    }
    Ok(all)
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_package_of_version_1_still_reads() {
    let folder = TempDir::new().unwrap();
    let name: PackageName = GOLDEN.parse().unwrap();
    let path = folder.path().join("copy");
    fs::write(&path, include_bytes!("golden/package-v1.twp")).unwrap();
    let header = verify_file(&path, &name).unwrap();
    assert_eq!((header.from, header.to), (Revision(17), Revision(18)));
    assert_eq!(header.layers, ["_chain_main_00000001"]);
    let item = header.kind("item").unwrap();
    assert_eq!((item.mode, item.upserts, item.deletes, item.rows), (Difference, 1, 1, 92_000));
    assert_eq!(item.digest, Digest(92_000 * 7));
    assert_eq!(header.kind("card").unwrap().rows, 5);
    assert_eq!((header.objects(), header.is_full(), header.repairs()), (3, false, true));
    let records = contents(&mut PackageReader::open(&path, &name).unwrap()).unwrap();
    let expected = [
        ("item", "100", Some(vec![1, 0x0e, b'1', b'0', b'0'])),
        ("item", "101", None),
        ("unit", "796", Some(vec![1, 0])),
    ];
    assert_eq!(records, expected.map(|(kind, key, row)| (kind.to_owned(), key.to_owned(), row)));
}

#[test]
fn the_same_records_make_the_same_file() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (first, second) = (build_golden(one.path()), build_golden(two.path()));
    assert_eq!(first.name, second.name);
    assert_eq!(fs::read(&first.path).unwrap(), fs::read(&second.path).unwrap());
    assert_eq!(first.bytes, fs::metadata(&first.path).unwrap().len());
    assert_eq!(fs::read_dir(one.path()).unwrap().count(), 1, "nothing else is left in the folder");
}

#[test]
fn one_changed_object_travels_in_less_than_two_kilobytes() {
    let folder = TempDir::new().unwrap();
    let mut builder = PackageBuilder::new(folder.path()).unwrap();
    builder.add(kind("price"), &Record::Upsert { key: "4600000000017\u{1f}1\u{1f}7", row: &[7; 60] }).unwrap();
    let kinds = crate::kinds::all().map(|kind| KindFacts {
        kind,
        mode: Difference,
        rows: 92_000,
        digest: Digest(xxhash_rust::xxh3::xxh3_128(kind.name().as_bytes())),
    });
    let built = builder.finish(Facts { kinds: kinds.collect(), ..facts(&[]) }).unwrap();
    assert!(built.bytes < 2000, "{} bytes", built.bytes);
}

#[test]
fn chunks_stay_within_their_bounds_and_a_large_record_stands_alone() {
    let folder = TempDir::new().unwrap();
    let mut builder = PackageBuilder::new(folder.path()).unwrap();
    let picture = vec![b'x'; 1 << 20];
    for number in 0..2500 {
        let row: &[u8] = if number == 1200 { &picture } else { b"row" };
        builder.add(kind("item"), &Record::Upsert { key: &format!("{number:05}"), row }).unwrap();
    }
    let built = builder.finish(facts(&[("item", Difference, 2500)])).unwrap();
    let records: Vec<_> = built.header.chunks.iter().map(|chunk| chunk.records).collect();
    assert_eq!(records, [1000, 200, 1, 1000, 299]);
    assert!(built.header.chunks.iter().all(|chunk| chunk.raw <= MAX_CHUNK_RAW_BYTES || chunk.records == 1));
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_left() {
    let folder = TempDir::new().unwrap();
    let upsert = |key| Record::Upsert { key, row: b"row" };
    let mut builder = PackageBuilder::new(folder.path()).unwrap();
    builder.add(kind("barcode"), &upsert("2")).unwrap();
    assert!(matches!(builder.add(kind("barcode"), &upsert("2")), Err(BuildError::Order { .. })));
    assert!(matches!(builder.add(kind("barcode"), &upsert("1")), Err(BuildError::Order { .. })));
    assert!(matches!(builder.add(kind("item"), &upsert("3")), Err(BuildError::Order { .. })));
    let huge = vec![0; MAX_RECORD_BYTES as usize];
    let record = Record::Upsert { key: "3", row: &huge };
    assert!(matches!(builder.add(kind("barcode"), &record), Err(BuildError::RecordTooLarge { .. })));
    assert!(matches!(builder.finish(facts(&[])), Err(BuildError::Facts { .. })));

    let mut builder = PackageBuilder::new(folder.path()).unwrap();
    builder.add(kind("item"), &upsert("1")).unwrap();
    let two_rows = facts(&[("item", Snapshot, 2)]);
    assert!(matches!(builder.finish(two_rows), Err(BuildError::Facts { .. })));
    assert!(is_empty(folder.path()));
}

#[test]
fn leftovers_of_a_killed_builder_can_be_removed() {
    let folder = TempDir::new().unwrap();
    std::mem::forget(PackageBuilder::new(folder.path()).unwrap());
    assert!(!is_empty(folder.path()));
    PackageBuilder::remove_leftovers(folder.path()).unwrap();
    assert!(is_empty(folder.path()));
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let folder = TempDir::new().unwrap();
    let built = build_golden(folder.path());
    let whole = fs::read(&built.path).unwrap();
    let path = folder.path().join("broken");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        PackageReader::open(&path, &built.name).and_then(|mut reader| contents(&mut reader))
    };
    assert!(read(&whole).is_ok());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        // Bytes 8 to 11 are the version: an older one than any is not written by anybody.
        assert!(read(&bytes).is_err() || (8..12).contains(&at), "byte {at}");
        assert!(read(&whole[..at]).is_err(), "cut at {at}");
    }
    assert!(read(&[&whole[..], b"x"].concat()).is_err());
    assert!(matches!(verify_file(&path, &built.name), Err(PackageError::WrongName { .. })));
}

#[test]
fn a_newer_version_and_a_foreign_file_are_named_as_such() {
    let folder = TempDir::new().unwrap();
    let built = build_golden(folder.path());
    let mut bytes = fs::read(&built.path).unwrap();
    bytes[8] = 2;
    fs::write(&built.path, &bytes).unwrap();
    let error = PackageReader::open(&built.path, &built.name).unwrap_err();
    assert!(matches!(error, PackageError::NewerVersion { version: 2, .. }));
    assert!(error.to_string().contains("upgrade"), "{error}");
    fs::write(&built.path, vec![b'{'; 100]).unwrap();
    assert!(matches!(PackageReader::open(&built.path, &built.name), Err(PackageError::NotAPackage { .. })));
}

#[test]
fn a_chunk_never_inflates_beyond_what_was_declared() {
    let folder = TempDir::new().unwrap();
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    let read = |raw: u32, records: u32| {
        let entry = ChunkEntry {
            kind: "item".into(),
            offset: 0,
            bytes: u32::try_from(bomb.len()).unwrap(),
            raw,
            records,
            blake3: blake3::hash(&bomb),
        };
        let kinds = vec![KindEntry {
            kind: "item".into(),
            mode: Difference,
            upserts: u64::from(records),
            deletes: 0,
            rows: 1,
            digest: Digest::EMPTY,
        }];
        let header =
            Header { from: Revision(1), to: Revision(2), layers: Vec::new(), proof: None, kinds, chunks: vec![entry] };
        let mut bytes = container::encode(Magic::Package, &header).unwrap();
        bytes.extend_from_slice(&bomb);
        let path = folder.path().join("bomb");
        fs::write(&path, bytes).unwrap();
        PackageReader::open(&path, &GOLDEN.parse().unwrap()).and_then(|mut reader| contents(&mut reader)).unwrap_err()
    };
    assert!(matches!(read(64 << 20, 1), PackageError::TooLarge { .. }));
    assert!(matches!(read(MAX_CHUNK_RAW_BYTES + 1, 2), PackageError::TooLarge { .. }));
    assert!(matches!(read(1000, 1), PackageError::Broken { .. }));
    assert!(matches!(read(1000, MAX_CHUNK_RECORDS + 1), PackageError::TooLarge { .. }));
}

#[test]
fn a_header_never_inflates_beyond_its_limit() {
    let mut prefix = container::encode(Magic::Package, &"header").unwrap();
    prefix[16..20].copy_from_slice(&(MAX_HEADER_RAW_BYTES + 1).to_le_bytes());
    let error = container::decode::<String>(Magic::Package, &mut &prefix[..], "it").unwrap_err();
    assert!(matches!(error, PackageError::TooLarge { .. }));
    prefix[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = container::decode::<String>(Magic::Package, &mut &prefix[..], "it").unwrap_err();
    assert!(matches!(error, PackageError::TooLarge { .. }));
}

#[test]
fn messages_carry_the_package_in_pieces_of_any_size() {
    let folder = TempDir::new().unwrap();
    let built = build_items(folder.path(), 3456);
    let open = || PackageReader::open(&built.path, &built.name).unwrap();
    let whole = contents(&mut open()).unwrap();
    assert_eq!(whole.len(), 3456);
    for (max_objects, total) in [(25_000, 1), (3456, 1), (2000, 2), (1999, 3), (1000, 4), (300, 14), (0, 3456)] {
        let cut = messages(open(), max_objects).unwrap();
        assert_eq!(cut.total(), total, "{max_objects} objects a message");
        let bodies: Vec<_> = cut.map(Result::unwrap).collect();
        assert_eq!(bodies.len(), total);
        let mut source = MessageSource::open(bodies.into_iter().map(Ok)).unwrap();
        assert_eq!(source.name(), &built.name);
        assert_eq!(source.header().kinds, built.header.kinds);
        assert_eq!(contents(&mut source).unwrap(), whole);
    }
}

#[test]
fn a_package_without_changes_is_one_message() {
    let folder = TempDir::new().unwrap();
    let built = PackageBuilder::new(folder.path()).unwrap().finish(facts(&[("item", Difference, 5)])).unwrap();
    let reader = PackageReader::open(&built.path, &built.name).unwrap();
    let bodies: Vec<_> = messages(reader, 25_000).unwrap().map(Result::unwrap).collect();
    assert_eq!(bodies.len(), 1);
    let mut source = MessageSource::open(bodies.into_iter().map(Ok)).unwrap();
    assert_eq!(source.header().kind("item").unwrap().rows, 5);
    assert!(contents(&mut source).unwrap().is_empty());
}

#[test]
fn missing_swapped_and_foreign_messages_are_noticed() {
    let folder = TempDir::new().unwrap();
    let bodies = |count| {
        let built = build_items(folder.path(), count);
        let reader = PackageReader::open(&built.path, &built.name).unwrap();
        messages(reader, 1000).unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    let (mine, other) = (bodies(3000), bodies(3001));
    let read = |bodies: Vec<&Vec<u8>>| {
        MessageSource::open(bodies.into_iter().map(|body| Ok(body.clone()))).and_then(|mut all| contents(&mut all))
    };
    assert!(read(vec![&mine[0], &mine[1], &mine[2]]).is_ok());
    for wrong in [
        vec![],
        vec![&mine[1], &mine[0], &mine[2]],
        vec![&mine[0], &mine[2], &mine[1]],
        vec![&mine[0], &mine[1]],
        vec![&mine[0], &other[1], &mine[2]],
    ] {
        assert!(matches!(read(wrong), Err(PackageError::Broken { .. })));
    }
    let mut flipped = mine[1].clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert!(matches!(read(vec![&mine[0], &flipped, &mine[2]]), Err(PackageError::Broken { .. })));
}

#[test]
#[ignore = "writes the golden file of a new version of the format"]
fn write_the_golden_file() {
    let folder = TempDir::new().unwrap();
    let built = build_golden(folder.path());
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/package/golden/package-v1.twp");
    fs::copy(&built.path, &target).unwrap();
    println!("{}", built.name);
}

#[test]
fn a_package_in_memory_reads_like_its_file_and_a_bomb_inflates_no_further_than_it_says() {
    let folder = TempDir::new().unwrap();
    let built = build_golden(folder.path());
    let bytes = fs::read(&built.path).unwrap();
    assert_eq!(read_bytes(&bytes).unwrap(), 3);
    for cut in 0..bytes.len() {
        read_bytes(&bytes[..cut]).unwrap_err();
    }
    // A header of 64 MiB of blanks packs to a few KiB: once it admits its length, once it lies.
    let bomb = zstd::bulk::compress(&vec![b' '; 64 << 20], 3).unwrap();
    assert!(bomb.len() < 100_000);
    for raw in [64_u32 << 20, 10] {
        let mut bytes = b"TILLWAYP".to_vec();
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(u32::try_from(bomb.len()).unwrap().to_le_bytes());
        bytes.extend(raw.to_le_bytes());
        bytes.extend(blake3::hash(&bomb).as_bytes());
        bytes.extend(&bomb);
        let error = read_bytes(&bytes).unwrap_err();
        let told = matches!(error, PackageError::TooLarge { .. }) == (raw > MAX_HEADER_RAW_BYTES);
        assert!(told && (raw > 10 || matches!(error, PackageError::Broken { .. })), "{error:?}");
    }
}
