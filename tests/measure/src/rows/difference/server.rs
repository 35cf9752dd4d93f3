//! Ours: the server's dictionary, its packages, the till's loader. Without broker and network,
//! which no peer has either.

use super::with_bytes;
use crate::MeasureError;
use crate::figure::Outcome;
use crate::part;
use crate::peers::sqlite;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tillway_cash_server::dictionary::load::Orders;
use tillway_cash_server::network::{LayerNo, NetworkService};
use tillway_cash_server::packages::{PackageFacts, PackageFolder, PackageService, Repair};
use tillway_cash_server::settings::proof_key::ProofKey;
use tillway_cash_server::store::dictionary::DictionaryStore as _;
use tillway_cash_server::store::sqlite::{DictionaryDb, PackageDb};
use tillway_exchangers::formats::aif::RecordReader;
use tillway_exchangers::package::PackageReader;
use tillway_exchangers::till::dictionary::{Applied, Loader};
use tillway_proto::{Command, DeliveryId, LoadId, NodeId, NodeLevel, Order, PackageLink, Revision, TillId};

/// Figures of each run, in seconds.
pub(super) const STEPS: [&str; 2] = ["difference found and package built", "loaded and verified"];

/// A server's dictionary, with one shop and one till.
pub(super) struct Shop {
    folder: PathBuf,
    db: Arc<DictionaryDb>,
    layer: LayerNo,
    till: TillId,
}

/// A till of it, at the state that was before.
pub(super) struct Till {
    folder: PathBuf,
    server: PathBuf,
    id: TillId,
}

#[derive(Serialize, Deserialize)]
struct Following {
    dictionary: PathBuf,
    memo: PathBuf,
    packages: PathBuf,
    database: PathBuf,
    till: TillId,
}

fn failed<E: Display>(what: &'static str) -> impl Fn(E) -> MeasureError {
    move |error| MeasureError::wrong(what, error)
}

impl Shop {
    pub(super) fn open(folder: &Path) -> Result<Self, MeasureError> {
        fs::create_dir_all(folder).map_err(MeasureError::File)?;
        let db = DictionaryDb::open(&folder.join("dictionary.db")).map_err(failed("opening a dictionary"))?;
        let db = Arc::new(db);
        let network = NetworkService::new(db.clone());
        let code = |text: &str| text.parse().map_err(failed("a code"));
        let chain = network.ensure_chain(&code("main")?, "").map_err(failed("making a chain"))?;
        let make = |parent: &NodeId, level| {
            network.create(parent, level, &code("1")?, "").map(|made| made.id).map_err(failed("making a node"))
        };
        let shop = make(&chain, NodeLevel::Shop)?;
        let NodeId::Till(till) = make(&shop, NodeLevel::Till)? else {
            return Err(MeasureError::wrong("making a till", "it is none"));
        };
        let layer = network.current().map_err(failed("reading the network"))?.node(&shop).map(|node| node.no);
        let layer = layer.ok_or_else(|| MeasureError::wrong("making a shop", "it is not there"))?;
        Ok(Self { folder: folder.to_owned(), db, layer, till })
    }

    /// Loads an AIF file into the shop's layer.
    pub(super) fn load(&self, number: i64, aif: &[u8]) -> Result<(), MeasureError> {
        let mut load = self.db.begin_load(self.layer, LoadId(number)).map_err(failed("beginning a load"))?;
        let mut orders = Orders::default();
        for record in RecordReader::new(aif) {
            let record = record.map_err(MeasureError::File)?;
            let command = record.command.map_err(failed("a record of goods"))?;
            orders.add(load.as_mut(), command, record.line, None).map_err(failed("loading"))?;
        }
        orders.carry_out(load.as_mut()).map_err(failed("loading"))?;
        let outcome = load.commit().map_err(failed("committing a load"))?;
        match outcome.revision {
            Some(_) => Ok(()),
            None => Err(MeasureError::wrong("a load", "it changed nothing")),
        }
    }

    fn packages(&self) -> Result<PackageService, MeasureError> {
        packages(self.db.clone(), &self.folder.join("packages.db"), &self.folder.join("packages"))
    }
}

fn packages(db: Arc<DictionaryDb>, memo: &Path, folder: &Path) -> Result<PackageService, MeasureError> {
    let memo = PackageDb::open(memo).map_err(failed("opening what is remembered of packages"))?;
    let files = PackageFolder::open(folder.to_owned()).map_err(failed("opening the packages"))?;
    PackageService::new(db, Arc::new(memo), Arc::new(files), ProofKey::of([7; 32]))
        .map_err(failed("opening the packages"))
}

fn package(service: &PackageService, till: &TillId, from: Revision) -> Result<PackageFacts, MeasureError> {
    let found = service.package_for(till, from, &Repair::None).map_err(failed("building a package"))?;
    found.ok_or_else(|| MeasureError::wrong("building a package", "there is nothing to send"))
}

fn apply(loader: &mut Loader, service: &PackageService, facts: &PackageFacts) -> Result<(), MeasureError> {
    let Some(path) = service.files().path(&facts.name) else {
        return Err(MeasureError::wrong("opening a package", "it lies elsewhere"));
    };
    let mut reader = PackageReader::open(&path, &facts.name).map_err(failed("opening a package"))?;
    match loader.apply(&mut reader).map_err(failed("loading a package"))? {
        Applied::Done(_) => Ok(()),
        Applied::Skipped { cursor } => Err(MeasureError::wrong("loading a package", format!("skipped at {cursor}"))),
    }
}

impl Till {
    /// Loads what the shop has now, so that the server remembers the state that the till is at, as
    /// it does of any till that it led there.
    pub(super) fn begin(shop: &Shop, folder: &Path) -> Result<Self, MeasureError> {
        let till = Self { folder: folder.to_owned(), server: shop.folder.clone(), id: shop.till.clone() };
        let service = shop.packages()?;
        let facts = package(&service, &shop.till, Revision::ZERO)?;
        let mut loader = Loader::open(&till.before()).map_err(failed("opening a till's dictionary"))?;
        apply(&mut loader, &service, &facts)?;
        Ok(till)
    }

    /// Its database as it was.
    pub(super) fn before(&self) -> PathBuf {
        self.folder.join("before.db")
    }

    /// Its database as [`Self::follow`] left it.
    pub(super) fn database(&self) -> PathBuf {
        self.folder.join("dictionaries.db")
    }

    /// One run, in a process of its own: server and till as they were, and the change.
    pub(super) fn follow(&self) -> Result<Outcome, MeasureError> {
        let memo = self.folder.join("packages.db");
        let packages = self.folder.join("packages");
        sqlite::remove(&memo)?;
        sqlite::remove(&self.database())?;
        if packages.exists() {
            fs::remove_dir_all(&packages).map_err(MeasureError::File)?;
        }
        fs::copy(self.server.join("packages.db"), &memo).map_err(MeasureError::File)?;
        fs::copy(self.before(), self.database()).map_err(MeasureError::File)?;
        let (dictionary, till) = (self.server.join("dictionary.db"), self.id.clone());
        part::run("difference", &Following { dictionary, memo, packages, database: self.database(), till })
    }
}

/// From what the server and the till have open to the till at the new revision.
pub(super) fn difference(arguments: &str) -> Result<Outcome, MeasureError> {
    let Following { dictionary, memo, packages: folder, database, till } = part::arguments(arguments)?;
    let db = Arc::new(DictionaryDb::open(&dictionary).map_err(failed("opening a dictionary"))?);
    let service = packages(db, &memo, &folder)?;
    let mut loader = Loader::open(&database).map_err(failed("opening a till's dictionary"))?;
    let from = loader.state().map_err(failed("reading a till's state"))?.cursor;
    let ((facts, built_s, loaded_s), outcome) = part::timed(|| {
        let started = Instant::now();
        let facts = package(&service, &till, from)?;
        let built_s = started.elapsed().as_secs_f64();
        apply(&mut loader, &service, &facts)?;
        Ok((facts, built_s, started.elapsed().as_secs_f64() - built_s))
    })?;
    if facts.full {
        return Err(MeasureError::wrong("the package", "it is a whole one in place of a difference"));
    }
    let link = link(&facts)?;
    let outcome = with_bytes(outcome, facts.bytes + link);
    Ok(outcome.with(STEPS[0], built_s).with(STEPS[1], loaded_s))
}

/// Bytes of the message with the link, as the reconciler writes it.
fn link(facts: &PackageFacts) -> Result<u64, MeasureError> {
    let mut command = Command::new(Order::LoadPackage(PackageLink {
        delivery: DeliveryId::generate(),
        package: facts.name.clone(),
        link: facts.link.clone(),
        bytes: facts.bytes,
        from: facts.from,
        to: facts.to,
        objects: facts.objects,
        until: None,
        replaces: None,
    }));
    let host = "10.20.30.40".to_owned();
    let addresses = [
        ("dicturlhostcs", host.clone()),
        ("dicturlportcs", "8080".to_owned()),
        ("grpchostcs", host.clone()),
        ("grpcportcs", "10001".to_owned()),
        ("httphostcs", host),
        ("cashserverrestport", "8080".to_owned()),
    ];
    command.settings = addresses.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Ok(command.to_bytes().map_err(failed("writing a link"))?.len() as u64)
}
