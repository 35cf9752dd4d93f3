//! `packages.db`: which packages were built. Its own file, so that a long load does not hold
//! deliveries up.

use super::connection::Database;
use super::dictionary::{signed, time, unsigned};
use super::remade::{Remade, is_damage};
use crate::dictionary::entry::KindId;
use crate::dictionary::{Digests, KindDigest};
use crate::store::StoreError;
use crate::store::packages::{PackageKey, PackageRecord, PackageStore};
use crate::store::sizes::DatabaseState;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension as _, Row, params};
use rusqlite_migration::{M, Migrations};
use std::error::Error;
use std::path::Path;
use std::sync::LazyLock;
use tillway_proto::{Digest, PackageName, Revision};

/// States of one path whose digests are kept: the newest, and some from which tills come that were
/// off for a while. One that is not kept is counted anew.
const KEPT_DIGESTS_PER_PATH: i64 = 8;

/// The time of use of digests is written again after so long: they are asked for on every round of
/// the reconciler.
const DIGEST_USED_STEP: SignedDuration = SignedDuration::from_hours(24);

/// A package's time of use is written again after so long: ten thousand tills that ask for it are
/// one write.
const USED_STEP: SignedDuration = SignedDuration::from_mins(10);

static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    Migrations::new(vec![
        M::up(include_str!("packages_1.sql")),
        M::up(include_str!("packages_2.sql")),
        M::up(include_str!("packages_3.sql")),
    ])
});

/// `packages.db`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PackageDb {
    database: Remade,
}

impl PackageDb {
    /// Opens the database, and makes it when it is not there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Remade::open(path, &MIGRATIONS)? })
    }

    /// How large it is, and of which version.
    pub fn state(&self) -> DatabaseState {
        self.database.current().state()
    }

    fn healing<T>(&self, work: impl Fn(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.database.healing(work)
    }
}

impl PackageStore for PackageDb {
    fn package(&self, key: &PackageKey) -> Result<Option<PackageRecord>, StoreError> {
        self.healing(|database| {
            let found = database.read("look a package up", |reader| {
                reader
                    .prepare_cached(
                        "SELECT name, bytes, objects, used_at FROM package WHERE to_path = ?1 AND to_rev = ?2 \
                         AND from_path = ?3 AND from_rev = ?4 AND whole = ?5",
                    )?
                    .query_row(key_params(key), record)
                    .optional()
            })?;
            let now = Timestamp::now();
            if let Some(record) = &found
                && now.duration_since(record.used_at) > USED_STEP
            {
                let marked = database.write("mark a package as used", |transaction| {
                    transaction.execute(
                        "UPDATE package SET used_at = ?2 WHERE name = ?1",
                        params![record.name.as_str(), now.as_millisecond()],
                    )
                });
                tolerate(marked)?;
            }
            Ok(found)
        })
    }

    fn keep_package(&self, key: &PackageKey, record: &PackageRecord) -> Result<(), StoreError> {
        self.healing(|database| {
            database.write("keep a package", |transaction| {
                transaction.execute(
                    "INSERT OR REPLACE INTO package(to_path, to_rev, from_path, from_rev, whole, name, bytes, objects, used_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        key.to_path,
                        signed(key.to),
                        key.from_path,
                        signed(key.from),
                        key.whole,
                        record.name.as_str(),
                        record.bytes.cast_signed(),
                        record.objects.cast_signed(),
                        record.used_at.as_millisecond()
                    ],
                )?;
                Ok(())
            })
        })
    }

    fn packages(&self) -> Result<Vec<PackageRecord>, StoreError> {
        self.healing(|database| {
            database.read("list packages", |reader| {
                reader
                    .prepare_cached("SELECT name, bytes, objects, max(used_at) FROM package GROUP BY name ORDER BY 4")?
                    .query_map((), record)?
                    .collect()
            })
        })
    }

    fn make_under(&self, mark: &str) -> Result<u64, StoreError> {
        self.healing(|database| {
            database.write("note under which key packages are made", |transaction| {
                let before = "SELECT EXISTS (SELECT 1 FROM made_under WHERE mark = ?1)";
                if transaction.query_row(before, [mark], |row| row.get(0))? {
                    return Ok(0);
                }
                transaction.execute("DELETE FROM made_under", ())?;
                transaction.execute("INSERT INTO made_under(mark) VALUES (?1)", [mark])?;
                transaction.execute("DELETE FROM package", ()).map(|gone| gone as u64)
            })
        })
    }

    fn forget_packages(&self, names: &[PackageName]) -> Result<(), StoreError> {
        if names.is_empty() {
            return Ok(());
        }
        self.healing(|database| {
            database.write("forget packages", |transaction| {
                let mut delete = transaction.prepare_cached("DELETE FROM package WHERE name = ?1")?;
                names.iter().try_for_each(|name| delete.execute([name.as_str()]).map(|_| ()))
            })
        })
    }

    fn forget_after(&self, revision: Revision) -> Result<u64, StoreError> {
        self.healing(|database| {
            database.write("forget packages of lost revisions", |transaction| {
                transaction.execute("DELETE FROM digest WHERE revision > ?1", [signed(revision)])?;
                let forgotten = transaction
                    .execute("DELETE FROM package WHERE to_rev > ?1 OR from_rev > ?1", [signed(revision)])?;
                Ok(forgotten as u64)
            })
        })
    }

    fn forget_digests(&self, unused_since: Timestamp) -> Result<(), StoreError> {
        self.healing(|database| {
            database.write("forget digests", |transaction| {
                transaction
                    .execute("DELETE FROM digest WHERE used_at < ?1", [unused_since.as_millisecond()])
                    .map(|_| ())
            })
        })
    }

    fn digests(&self, path: &str, revision: Revision) -> Result<Option<Digests>, StoreError> {
        self.healing(|database| {
            let what = "read digests";
            let found: Option<(String, i64)> = database.read(what, |reader| {
                reader
                    .prepare_cached("SELECT kinds, used_at FROM digest WHERE path = ?1 AND revision = ?2")?
                    .query_row(params![path, signed(revision)], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()
            })?;
            let Some((text, used_at)) = found else { return Ok(None) };
            let now = Timestamp::now();
            if now.duration_since(time(used_at)) > DIGEST_USED_STEP {
                let marked = database.write("mark digests as used", |transaction| {
                    transaction.execute(
                        "UPDATE digest SET used_at = ?3 WHERE path = ?1 AND revision = ?2",
                        params![path, signed(revision), now.as_millisecond()],
                    )
                });
                tolerate(marked)?;
            }
            let kinds: Vec<(u16, u64, Digest)> =
                serde_json::from_str(&text).map_err(|error| database.corrupt(what, error.to_string()))?;
            Ok(Some(
                kinds.into_iter().map(|(kind, rows, digest)| (KindId(kind), KindDigest { rows, digest })).collect(),
            ))
        })
    }

    fn newest_digests(&self, path: &str, revision: Revision) -> Result<Option<(Revision, Digests)>, StoreError> {
        let newest: Option<i64> = self.healing(|database| {
            database.read("look for digests", |reader| {
                reader
                    .prepare_cached("SELECT max(revision) FROM digest WHERE path = ?1 AND revision <= ?2")?
                    .query_row(params![path, signed(revision)], |row| row.get(0))
            })
        })?;
        let Some(newest) = newest.map(|newest| Revision(newest.cast_unsigned())) else { return Ok(None) };
        Ok(self.digests(path, newest)?.map(|digests| (newest, digests)))
    }

    fn keep_digests(&self, path: &str, revision: Revision, digests: &Digests) -> Result<(), StoreError> {
        self.healing(|database| {
            let what = "keep digests";
            let kinds: Vec<(u16, u64, Digest)> =
                digests.iter().map(|(kind, entry)| (kind.0, entry.rows, entry.digest)).collect();
            let text = serde_json::to_string(&kinds).map_err(|error| database.corrupt(what, error.to_string()))?;
            database.write(what, |transaction| {
                transaction.execute(
                    "INSERT OR REPLACE INTO digest(path, revision, kinds, used_at) VALUES (?1, ?2, ?3, ?4)",
                    params![path, signed(revision), text, Timestamp::now().as_millisecond()],
                )?;
                transaction.execute(
                    "DELETE FROM digest WHERE path = ?1 AND revision <= (SELECT revision FROM digest WHERE path = ?1 \
                     ORDER BY revision DESC LIMIT 1 OFFSET ?2)",
                    params![path, KEPT_DIGESTS_PER_PATH],
                )?;
                Ok(())
            })
        })
    }
}

/// What was asked for is known, even if the disk takes no note of it. Damage is another matter.
fn tolerate(marked: Result<usize, StoreError>) -> Result<(), StoreError> {
    match marked {
        Err(error) if !is_damage(&error) => {
            tracing::warn!(error = &error as &dyn Error, "the time of use is not written");
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

fn key_params(key: &PackageKey) -> impl rusqlite::Params {
    (key.to_path.clone(), signed(key.to), key.from_path.clone(), signed(key.from), key.whole.clone())
}

fn record(row: &Row<'_>) -> rusqlite::Result<PackageRecord> {
    let name: String = row.get(0)?;
    let name = name
        .parse::<PackageName>()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))?;
    Ok(PackageRecord { name, bytes: unsigned(row, 1)?, objects: unsigned(row, 2)?, used_at: time(row.get(3)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembers(db: &PackageDb) -> bool {
        let digests: Digests = [(KindId(1), KindDigest::default())].into_iter().collect();
        db.keep_digests("/1", Revision(1), &digests).unwrap();
        db.digests("/1", Revision(1)).unwrap() == Some(digests)
    }

    #[test]
    fn a_damaged_file_is_put_aside_at_the_start_and_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("packages.db");
        assert!(remembers(&PackageDb::open(&path).unwrap()));
        for rubbish in [vec![0; 9000], b"rubbish ".repeat(2000)] {
            fs_err::write(&path, rubbish).unwrap();
            let db = PackageDb::open(&path).unwrap();
            assert_eq!(db.digests("/1", Revision(1)).unwrap(), None);
            assert!(remembers(&db));
        }
        assert!(folder.path().join("packages.db.damaged").exists());
    }

    #[test]
    fn what_this_program_never_wrote_is_put_aside_while_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let db = PackageDb::open(&folder.path().join("packages.db")).unwrap();
        let (twin, record) = (db.clone(), "INSERT INTO package VALUES ('', 0, '/1', 1, 'all', 'no name', 1, 1, 1)");
        for spoil in ["UPDATE digest SET kinds = '[[1'", record] {
            assert!(remembers(&db));
            let database = db.database.current();
            database.write("spoil", |transaction| transaction.execute(spoil, ())).unwrap();
            assert_eq!(db.packages().unwrap(), []);
            assert!(db.digests("/1", Revision(1)).is_ok());
            assert!(remembers(&twin), "all who share it go on with the new one");
        }
    }
}
